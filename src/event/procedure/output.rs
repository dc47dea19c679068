//! What each kind of task has made.

use super::lenient::structures;
use super::metadata::{AudioStream, VideoStream};

structures! {
    /// `MediaTranscodeItem`.
    TranscodeOutput {
        /// Where the file is.
        url: Option<String>,
        /// The template.
        definition: Option<i64>,
        /// Bits per second of all streams together.
        bitrate: Option<i64>,
        /// Pixels.
        height: Option<i64>,
        /// Pixels.
        width: Option<i64>,
        /// Bytes.
        size: Option<i64>,
        /// Seconds.
        duration: Option<f64>,
        /// The file's MD5 in hexadecimal.
        md5: Option<String>,
        /// Names of the container format.
        container: Option<String>,
        /// The video streams.
        video_stream_set: Vec<VideoStream>,
        /// The audio streams.
        audio_stream_set: Vec<AudioStream>,
    }

    /// `MediaAnimatedGraphicsItem`.
    AnimatedGraphicOutput {
        /// Where the picture is.
        url: Option<String>,
        /// The template.
        definition: Option<i64>,
        /// Such as `gif`.
        container: Option<String>,
        /// Pixels.
        height: Option<i64>,
        /// Pixels.
        width: Option<i64>,
        /// Bits per second.
        bitrate: Option<i64>,
        /// Bytes.
        size: Option<i64>,
        /// The file's MD5 in hexadecimal.
        md5: Option<String>,
        /// Seconds.
        start_time_offset: Option<f64>,
        /// Seconds.
        end_time_offset: Option<f64>,
    }

    /// `MediaSnapshotByTimeOffsetItem`.
    SnapshotByTimeOffsetOutput {
        /// The template.
        definition: Option<i64>,
        /// The snapshots.
        pic_info_set: Vec<Snapshot>,
    }

    /// `MediaSnapshotByTimePicInfoItem`.
    Snapshot {
        /// Milliseconds.
        time_offset: Option<f64>,
        /// Where the picture is.
        url: Option<String>,
        /// The watermarks' templates.
        water_mark_definition: Vec<i64>,
    }

    /// `MediaSampleSnapshotItem`.
    SampleSnapshotOutput {
        /// The template.
        definition: Option<i64>,
        /// `Percent` or `Time`.
        sample_type: Option<String>,
        /// Percent or seconds.
        interval: Option<i64>,
        /// Where the pictures are.
        image_url_set: Vec<String>,
        /// The watermarks' templates.
        water_mark_definition: Vec<i64>,
    }

    /// `MediaImageSpriteItem`.
    ImageSpriteOutput {
        /// The template.
        definition: Option<i64>,
        /// The height of one small picture, in pixels.
        height: Option<i64>,
        /// The width of one small picture, in pixels.
        width: Option<i64>,
        /// How many small pictures there are.
        total_count: Option<i64>,
        /// Where the large pictures are.
        image_url_set: Vec<String>,
        /// Where the table is that says which picture belongs to which time.
        web_vtt_url: Option<String>,
    }

    /// `CoverBySnapshotTaskOutput`.
    CoverBySnapshotOutput {
        /// Where the picture is.
        cover_url: Option<String>,
    }

    /// `AdaptiveDynamicStreamingInfoItem`.
    AdaptiveDynamicStreamingOutput {
        /// The template.
        definition: Option<i64>,
        /// `hls` or `dash`.
        package: Option<String>,
        /// Such as `Widevine`; empty without encryption.
        drm_type: Option<String>,
        /// Where the playlist is.
        url: Option<String>,
        /// Bytes.
        size: Option<i64>,
        /// The streams to choose from.
        sub_stream_set: Vec<SubStream>,
    }

    /// `MediaSubStreamInfoItem`.
    SubStream {
        /// `audio` or `video`.
        r#type: Option<String>,
        /// Pixels.
        width: Option<i64>,
        /// Pixels.
        height: Option<i64>,
        /// Bytes.
        size: Option<i64>,
    }
}
