//! What VOD found out about a media file.

use super::lenient::structures;

structures! {
    /// `MediaMetaData`.
    MetaData {
        /// Bytes.
        size: Option<i64>,
        /// Names of the container format, such as `mov,mp4,m4a,3gp,3g2,mj2`.
        container: Option<String>,
        /// Bits per second of all streams together.
        bitrate: Option<i64>,
        /// The most of all video streams, in pixels.
        height: Option<i64>,
        /// The most of all video streams, in pixels.
        width: Option<i64>,
        /// Seconds.
        duration: Option<f64>,
        /// Degrees by which a player has to turn the picture.
        rotate: Option<i64>,
        /// The video streams.
        video_stream_set: Vec<VideoStream>,
        /// The audio streams.
        audio_stream_set: Vec<AudioStream>,
        /// Seconds.
        video_duration: Option<f64>,
        /// Seconds.
        audio_duration: Option<f64>,
        /// The file's MD5 in hexadecimal.
        md5: Option<String>,
    }

    /// `MediaVideoStreamItem`.
    VideoStream {
        /// Bits per second.
        bitrate: Option<i64>,
        /// Pixels.
        height: Option<i64>,
        /// Pixels.
        width: Option<i64>,
        /// Such as `h264`.
        codec: Option<String>,
        /// Frames per second.
        fps: Option<i64>,
        /// Such as `hvc1`.
        codec_tag: Option<String>,
    }

    /// `MediaAudioStreamItem`.
    AudioStream {
        /// Bits per second.
        bitrate: Option<i64>,
        /// Samples per second.
        sampling_rate: Option<i64>,
        /// Such as `aac`.
        codec: Option<String>,
    }
}
