//! The events that both formats have, and the members of all but the task flow.

use super::procedure::PROCEDURE;
use super::table::{Row, Value, group, of, row, same};

/// An event that both formats have.
#[derive(Debug)]
pub(super) struct Counterpart {
    /// `eventType` in 2.0 and `EventType` in 3.0.
    pub(super) event_type: &'static str,
    /// The member of 3.0 that holds what is `data` in 2.0.
    pub(super) member: &'static str,
    /// The members of those.
    pub(super) rows: &'static [Row],
}

impl Counterpart {
    /// The event with this type.
    pub(super) fn of(event_type: &str) -> Option<&'static Self> {
        EVENTS.iter().find(|event| event.event_type == event_type)
    }
}

/// 2.0 has one more, `PorncheckComplete`, which 3.0 has not.
pub(super) const EVENTS: &[Counterpart] = &[
    event("NewFileUpload", "FileUploadEvent", NEW_FILE_UPLOAD),
    event("PullComplete", "PullCompleteEvent", PULL_COMPLETE),
    event("FileDeleted", "FileDeleteEvent", FILE_DELETED),
    event("ProcedureStateChanged", "ProcedureStateChangeEvent", PROCEDURE),
    event("TranscodeComplete", "TranscodeCompleteEvent", TRANSCODE_COMPLETE),
    event("ConcatComplete", "ConcatCompleteEvent", CONCAT_COMPLETE),
    event("ClipComplete", "ClipCompleteEvent", CLIP_COMPLETE),
    event("CreateImageSpriteComplete", "CreateImageSpriteCompleteEvent", IMAGE_SPRITE_COMPLETE),
    event(
        "CreateSnapshotByTimeOffsetComplete",
        "SnapshotByTimeOffsetCompleteEvent",
        SNAPSHOT_BY_TIME_OFFSET_COMPLETE,
    ),
];

const fn event(
    event_type: &'static str,
    member: &'static str,
    rows: &'static [Row],
) -> Counterpart {
    Counterpart { event_type, member, rows }
}

/// `FileUploadTask`. 2.0 has besides: `transcodeTaskId`, `imageSpriteTaskId`, `porncheckTaskId`,
/// `author`, `status`, `message`.
const NEW_FILE_UPLOAD: &[Row] = &[
    same("fileId", "FileId"),
    group(
        "MediaBasicInfo",
        &[
            same("fileName", "Name"),
            same("coverUrl", "CoverUrl"),
            same("fileUrl", "MediaUrl"),
            group(
                "SourceInfo",
                &[
                    same("sourceType", "SourceType"),
                    same("sourceContext", "SourceContext"),
                    group("LiveRecordInfo", &[same("streamId", "StreamId")]),
                ],
            ),
        ],
    ),
    same("procedureTaskId", "ProcedureTaskId"),
    group(
        "MetaData",
        &[
            same("duration", "Duration"),
            same("fileSize", "Size"),
            same("width", "Width"),
            same("height", "Height"),
            same("bitrate", "Bitrate"),
        ],
    ),
];

/// `PullUploadTask`. 2.0 has besides: `transcodeTaskId`.
const PULL_COMPLETE: &[Row] = &[
    same("vodTaskId", "TaskId"),
    same("status", "ErrCode"),
    same("message", "Message"),
    same("fileId", "FileId"),
    same("fileUrl", "FileUrl"),
    same("procedureTaskId", "ProcedureTaskId").when_set(),
    same("sessionContext", "SessionContext").when_set(),
    same("sessionId", "SessionId").when_set(),
];

/// `FileDeleteTask`. 2.0 has besides: `status`, `message`.
const FILE_DELETED: &[Row] = &[row("fileInfo", "FileIdSet", Value::Unwrapped("fileId"))];

/// `TranscodeTask2017`.
const TRANSCODE_COMPLETE: &[Row] = &[
    same("vodTaskId", "TaskId"),
    same("status", "ErrCode"),
    same("message", "Message"),
    same("fileId", "FileId"),
    same("fileName", "FileName"),
    same("duration", "Duration"),
    same("coverUrl", "CoverUrl"),
    of(
        "playSet",
        "PlayInfoSet",
        &[
            same("url", "Url"),
            same("definition", "Definition"),
            same("vbitrate", "Bitrate"),
            same("vheight", "Height"),
            same("vwidth", "Width"),
        ],
    ),
];

/// `ConcatTask2017`. 2.0 has besides, in failures: `status`, `message`.
const CONCAT_COMPLETE: &[Row] =
    &[same("vodTaskId", "TaskId"), of("fileInfo", "FileInfoSet", FILE_INFO)];

/// `ClipTask2017`.
const CLIP_COMPLETE: &[Row] = &[
    same("vodTaskId", "TaskId"),
    same("srcFileId", "SrcFileId"),
    of("fileInfo", "FileInfo", FILE_INFO),
];

/// `ConcatFileInfo2017` and `ClipFileInfo2017`.
const FILE_INFO: &[Row] = &[
    same("fileType", "FileType"),
    same("status", "ErrCode"),
    same("message", "Message"),
    same("fileId", "FileId"),
    same("fileUrl", "FileUrl"),
];

/// `CreateImageSpriteTask2017`.
const IMAGE_SPRITE_COMPLETE: &[Row] = &[
    same("vodTaskId", "TaskId"),
    same("status", "ErrCode"),
    same("message", "Message"),
    same("fileId", "FileId"),
    same("definition", "Definition"),
    same("totalCount", "TotalCount"),
    same("imageSpriteUrl", "ImageSpriteUrlSet"),
    same("webVttUrl", "WebVttUrl"),
];

/// `SnapshotByTimeOffsetTask2017`.
const SNAPSHOT_BY_TIME_OFFSET_COMPLETE: &[Row] = &[
    same("vodTaskId", "TaskId"),
    same("fileId", "FileId"),
    same("definition", "Definition"),
    of(
        "picInfo",
        "SnapshotInfoSet",
        &[same("status", "ErrCode"), same("timeOffset", "TimeOffset"), same("url", "Url")],
    ),
];
