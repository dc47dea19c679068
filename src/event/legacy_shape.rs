//! The shape of VOD's legacy 2.0 callbacks, `{"version":"4.0","eventType":...,"data":{...}}`, as far as
//! routes and logs need it.

use std::borrow::Cow;

/// Where the type of a 2.0 event stands.
pub(super) const TYPE: &str = "eventType";
/// The member that holds the data of a 2.0 event.
pub(super) const MEMBER: &str = "data";

/// What a member is called in 2.0 events, given its name in 3.0: with a small first letter, and a
/// task's id has a name of its own.
pub(super) fn name(name: &str) -> Cow<'_, str> {
    if name == "TaskId" {
        return Cow::Borrowed("vodTaskId");
    }
    match name.chars().next() {
        Some(first) if first.is_ascii_uppercase() => {
            Cow::Owned(format!("{}{}", first.to_ascii_lowercase(), &name[1..]))
        }
        _ => Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests {
    use crate::event::Event;

    const TEXT: &str = r#"{"version":"4.0","eventType":"ProcedureStateChanged","data":{
        "vodTaskId":"t-1","status":"FINISH","errCode":0,"fileId":"f-1",
        "metaData":{"height":1080},"processTaskList":[]}}"#;

    #[test]
    fn the_type_and_the_fields_are_read() {
        let event = Event::from_content(TEXT.to_owned());
        assert_eq!(event.event_type(), "ProcedureStateChanged");
        assert!(event.body().starts_with("{\n        \"vodTaskId\""), "{}", event.body());
        let fields = event.fields();
        let read = [&fields.task_id, &fields.status, &fields.err_code, &fields.file_id];
        let read = read.map(|field| field.as_deref().unwrap_or_default());
        assert_eq!(read, ["t-1", "FINISH", "0", "f-1"]);
    }

    #[test]
    fn a_path_is_found_by_its_name_in_both_versions() {
        let event = Event::from_content(TEXT.to_owned());
        for (path, value) in [
            ("Status", Some("FINISH")),
            ("status", Some("FINISH")),
            ("TaskId", Some("t-1")),
            ("vodTaskId", Some("t-1")),
            ("MetaData.Height", Some("1080")),
            ("metaData.height", Some("1080")),
            ("ErrCode", Some("0")),
            ("STATUS", None),
            ("Absent", None),
        ] {
            assert_eq!(event.lookup(path).as_deref(), value, "{path}");
        }
        // The names of 3.0 stand for themselves elsewhere.
        let event = r#"{"EventType":"A","AEvent":{"status":"FINISH"}}"#;
        assert_eq!(Event::from_content(event.to_owned()).lookup("Status"), None);
    }

    #[test]
    fn what_only_looks_like_it_is_none() {
        let read = |text: &str| Event::from_content(text.to_owned()).event_type().to_owned();
        assert_eq!(read(r#"{"EventType":"A","eventType":"B","data":{}}"#), "A");
        assert_eq!(read(r#"{"eventType":"B","AEvent":{}}"#), "A");
        assert_eq!(read(r#"{"eventType":"B","data":[]}"#), "");
        assert_eq!(read(r#"{"eventType":7,"data":{}}"#), "7");
    }
}
