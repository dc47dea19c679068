//! The members of a task flow in both formats.

use super::table::{Row, Task, Value, of, row, same};

/// `ProcedureTask`. 2.0 has besides: `drm`.
pub(super) const PROCEDURE: &[Row] = &[
    same("vodTaskId", "TaskId"),
    same("status", "Status"),
    same("errCode", "ErrCode"),
    same("message", "Message"),
    same("fileId", "FileId"),
    of("metaData", "MetaData", METADATA),
    row("aiReview", "AiContentReviewResultSet", Value::AiReview),
    row("contentReviewList", "AiContentReviewResultSet", Value::Reviews(REVIEWS)),
    row("aIAnalysisList", "AiAnalysisResultSet", Value::Results(ANALYSES)),
    row("aIRecognitionList", "AiRecognitionResultSet", Value::Results(&[])).when_set(),
    row("processTaskList", "MediaProcessResultSet", Value::Results(MEDIA_TASKS)),
    same("sessionContext", "SessionContext").when_set(),
    same("sessionId", "SessionId").when_set(),
];

/// `MediaMetaData`.
const METADATA: &[Row] = &[
    same("size", "Size"),
    same("container", "Container"),
    same("bitrate", "Bitrate"),
    same("height", "Height"),
    same("width", "Width"),
    same("md5", "Md5"),
    same("duration", "Duration"),
    same("rotate", "Rotate"),
    of("videoStreamList", "VideoStreamSet", VIDEO_STREAM),
    of("audioStreamList", "AudioStreamSet", AUDIO_STREAM),
];

/// `MediaVideoStreamItem`.
const VIDEO_STREAM: &[Row] = &[
    same("bitrate", "Bitrate"),
    same("height", "Height"),
    same("width", "Width"),
    same("codec", "Codec"),
    same("fps", "Fps"),
];

/// `MediaAudioStreamItem`.
const AUDIO_STREAM: &[Row] =
    &[same("bitrate", "Bitrate"), same("samplingRate", "SamplingRate"), same("codec", "Codec")];

/// `MediaProcessTaskResult`.
const MEDIA_TASKS: &[Task] = &[
    task("Transcode", "TranscodeTask", TRANSCODE),
    task("AnimatedGraphics", "AnimatedGraphicTask", ANIMATED_GRAPHIC),
    task("SnapshotByTimeOffset", "SnapshotByTimeOffsetTask", SNAPSHOT_BY_TIME_OFFSET),
    task("SampleSnapshot", "SampleSnapshotTask", SAMPLE_SNAPSHOT),
    task("ImageSprites", "ImageSpriteTask", IMAGE_SPRITE),
    task("CoverBySnapshot", "CoverBySnapshotTask", COVER_BY_SNAPSHOT),
];

/// `AiContentReviewResult`.
pub(super) const REVIEWS: &[Task] = &[task("Porn", "PornTask", PORN)];

/// `AiAnalysisResult`.
const ANALYSES: &[Task] =
    &[task("Classification", "ClassificationTask", CLASSIFICATION), task("Tag", "TagTask", TAG)];

const fn task(kind: &'static str, member: &'static str, rows: &'static [Row]) -> Task {
    Task { kind, member, rows }
}

/// What all tasks have, around the members of their input and their output.
const fn result(input: &'static [Row], output: &'static [Row]) -> [Row; 5] {
    [
        same("status", "Status"),
        same("errCode", "ErrCode"),
        same("message", "Message"),
        of("input", "Input", input),
        of("output", "Output", output),
    ]
}

/// The result of a task that only one of the formats has.
pub(super) const ANY_TASK: &[Row] = &[
    same("status", "Status"),
    same("errCode", "ErrCode"),
    same("message", "Message"),
    row("input", "Input", Value::LetterCase),
    row("output", "Output", Value::LetterCase),
];

/// `MediaProcessTaskTranscodeResult`.
const TRANSCODE: &[Row] = &result(
    &[
        same("definition", "Definition"),
        row("watermark", "WatermarkSet", Value::Flag),
        of(
            "mosaicList",
            "MosaicSet",
            &[
                same("width", "Width"),
                same("height", "Height"),
                same("left", "XPos"),
                same("top", "YPos"),
                same("startTimeOffset", "StartTimeOffset"),
                same("endTimeOffset", "EndTimeOffset"),
            ],
        ),
    ],
    &[
        same("url", "Url"),
        same("size", "Size"),
        same("container", "Container"),
        same("bitrate", "Bitrate"),
        same("height", "Height"),
        same("width", "Width"),
        same("md5", "Md5"),
        same("duration", "Duration"),
        of("videoStreamList", "VideoStreamSet", VIDEO_STREAM),
        of("audioStreamList", "AudioStreamSet", AUDIO_STREAM),
    ],
);

/// `MediaProcessTaskAnimatedGraphicResult`. 2.0 has besides: `output.fps`.
const ANIMATED_GRAPHIC: &[Row] = &result(
    &[
        same("definition", "Definition"),
        same("startTime", "StartTimeOffset"),
        same("endTime", "EndTimeOffset"),
    ],
    &[
        same("url", "Url"),
        same("container", "Container"),
        same("height", "Height"),
        same("width", "Width"),
    ],
);

/// `MediaProcessTaskSnapshotByTimeOffsetResult`.
const SNAPSHOT_BY_TIME_OFFSET: &[Row] = &result(
    &[same("definition", "Definition"), same("timeOffset", "TimeOffsetSet"), WATERMARKS],
    &[of("imgInfo", "PicInfoSet", &[same("timeOffset", "TimeOffset"), same("url", "Url")])],
);

/// `MediaProcessTaskSampleSnapshotResult`. One of the vendor's samples has a `PicInfoSet` in it.
const SAMPLE_SNAPSHOT: &[Row] = &result(
    &[same("definition", "Definition"), WATERMARKS],
    &[
        same("imageUrls", "ImageUrlSet"),
        row("imageUrls", "PicInfoSet", Value::Wrapped("Url")),
        same("watermarkDefinition", "WaterMarkDefinition"),
    ],
);

/// `MediaProcessTaskImageSpriteResult`.
const IMAGE_SPRITE: &[Row] = &result(
    &[same("definition", "Definition")],
    &[
        same("totalCount", "TotalCount"),
        same("urlList", "ImageUrlSet"),
        same("webVttUrl", "WebVttUrl"),
    ],
);

/// `MediaProcessTaskCoverBySnapshotResult`.
const COVER_BY_SNAPSHOT: &[Row] = &result(
    &[
        same("definition", "Definition"),
        same("positionType", "PositionType"),
        same("position", "PositionValue"),
        WATERMARKS,
    ],
    &[same("imageUrl", "CoverUrl")],
);

/// The templates of watermarks.
const WATERMARKS: Row = row("watermarkDefinition", "WatermarkSet", Value::Wrapped("Definition"));

/// `AiReviewTaskPornResult`.
const PORN: &[Row] = &result(
    &[same("definition", "Definition")],
    &[
        same("confidence", "Confidence"),
        same("suggestion", "Suggestion"),
        of(
            "segments",
            "SegmentSet",
            &[
                same("startTimeOffset", "StartTimeOffset"),
                same("endTimeOffset", "EndTimeOffset"),
                same("confidence", "Confidence"),
                same("suggestion", "Suggestion"),
                same("url", "Url"),
                same("picUrlExpireTimeStamp", "PicUrlExpireTimeStamp"),
            ],
        ),
    ],
);

/// `AiAnalysisTaskClassificationResult`.
const CLASSIFICATION: &[Row] = &result(
    &[same("definition", "Definition")],
    &[of(
        "classifications",
        "ClassificationSet",
        &[same("classification", "Classification"), same("confidence", "Confidence")],
    )],
);

/// `AiAnalysisTaskTagResult`.
const TAG: &[Row] = &result(
    &[same("definition", "Definition")],
    &[of("tags", "TagSet", &[same("tag", "Tag"), same("confidence", "Confidence")])],
);
