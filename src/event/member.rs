//! The names of an event's type and of the member that holds its data.

use std::borrow::Cow;

/// Members whose name is not the event type plus `Event`.
const IRREGULAR: [(&str, &str); 9] = [
    ("FileUploadEvent", "NewFileUpload"),
    ("ProcedureStateChangeEvent", "ProcedureStateChanged"),
    ("FileDeleteEvent", "FileDeleted"),
    ("RemoveWatermarkCompleteEvent", "RemoveWatermark"),
    ("SnapshotByTimeOffsetCompleteEvent", "CreateSnapshotByTimeOffsetComplete"),
    ("AigcImageCompleteEvent", "AigcImageTaskComplete"),
    ("AigcVideoCompleteEvent", "AigcVideoTaskComplete"),
    ("AigcHunyuan3DCompleteEvent", "AigcHunyuan3DTaskComplete"),
    ("ExtractBlindWatermarkComplete", "ExtractBlindWatermarkComplete"),
];

/// The event types that VOD documents. New ones come every few weeks, so a type that is not here
/// may be right all the same.
///
/// Source: the `EventContent` structure of the VOD API, version 2018-07-17.
pub const TYPES: [&str; 37] = [
    "NewFileUpload",
    "ProcedureStateChanged",
    "FileDeleted",
    "PullComplete",
    "EditMediaComplete",
    "SplitMediaComplete",
    "ComposeMediaComplete",
    "WechatMiniProgramPublishComplete",
    "WechatPublishComplete",
    "RemoveWatermark",
    "RestoreMediaComplete",
    "RebuildMediaComplete",
    "ExtractTraceWatermarkComplete",
    "ExtractCopyRightWatermarkComplete",
    "ReviewAudioVideoComplete",
    "ReduceMediaBitrateComplete",
    "DescribeFileAttributesComplete",
    "QualityInspectComplete",
    "QualityEnhanceComplete",
    "MediaCastStatusChanged",
    "PersistenceComplete",
    "ComplexAdaptiveDynamicStreamingComplete",
    "ProcessMediaByMPSComplete",
    "AigcImageTaskComplete",
    "AigcVideoTaskComplete",
    "AigcHunyuan3DTaskComplete",
    "DescribeAigcFaceInfoAsyncComplete",
    "ExtractBlindWatermarkComplete",
    "SceneAigcImageCompleteEvent",
    "ProcessImageAsyncCompleteEvent",
    "CreateAigcAdvancedCustomElementCompleteEvent",
    "CreateAigcCustomVoiceCompleteEvent",
    "TranscodeComplete",
    "ConcatComplete",
    "ClipComplete",
    "CreateImageSpriteComplete",
    "CreateSnapshotByTimeOffsetComplete",
];

/// The event type that goes with a member, for events that come without `EventType`.
///
/// Source: the `EventContent` structure of the VOD API, version 2018-07-17.
pub(crate) fn event_type(member: &str) -> Cow<'_, str> {
    match IRREGULAR.iter().find(|(name, _)| *name == member) {
        Some((_, event_type)) => Cow::Borrowed(event_type),
        None => Cow::Borrowed(member.strip_suffix("Event").unwrap_or(member)),
    }
}

#[cfg(test)]
mod tests {
    use super::event_type;

    #[test]
    fn types_are_derived_from_member_names() {
        assert_eq!(event_type("ComposeMediaCompleteEvent"), "ComposeMediaComplete");
        assert_eq!(event_type("FileUploadEvent"), "NewFileUpload");
        assert_eq!(event_type("EditMediaComplete"), "EditMediaComplete");
        assert_eq!(event_type("SomethingNew"), "SomethingNew");
    }
}
