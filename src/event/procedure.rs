//! The task flow inside a `ProcedureStateChanged` event.
