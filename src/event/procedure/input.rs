//! What each kind of task was told to do.

use super::lenient::structures;

structures! {
    /// `TranscodeTaskInput`.
    TranscodeInput {
        /// The template.
        definition: Option<i64>,
        /// Watermarks, 10 at most.
        watermark_set: Vec<Watermark>,
        /// Seconds; negative ones count from the end.
        start_time_offset: Option<f64>,
        /// Seconds; negative ones count from the end.
        end_time_offset: Option<f64>,
    }

    /// `AnimatedGraphicTaskInput`.
    AnimatedGraphicInput {
        /// The template.
        definition: Option<i64>,
        /// Seconds.
        start_time_offset: Option<f64>,
        /// Seconds.
        end_time_offset: Option<f64>,
    }

    /// `SnapshotByTimeOffsetTaskInput`.
    SnapshotByTimeOffsetInput {
        /// The template.
        definition: Option<i64>,
        /// Times such as `3.5s` or `10%`.
        ext_time_offset_set: Vec<String>,
        /// Milliseconds.
        time_offset_set: Vec<f64>,
        /// Watermarks, 10 at most.
        watermark_set: Vec<Watermark>,
    }

    /// `SampleSnapshotTaskInput`.
    SampleSnapshotInput {
        /// The template.
        definition: Option<i64>,
        /// Watermarks, 10 at most.
        watermark_set: Vec<Watermark>,
    }

    /// `ImageSpriteTaskInput`.
    ImageSpriteInput {
        /// The template.
        definition: Option<i64>,
    }

    /// `CoverBySnapshotTaskInput`.
    CoverBySnapshotInput {
        /// The template.
        definition: Option<i64>,
        /// `Time` or `Percent`.
        position_type: Option<String>,
        /// Seconds or percent.
        position_value: Option<f64>,
        /// Watermarks, 10 at most.
        watermark_set: Vec<Watermark>,
    }

    /// `AdaptiveDynamicStreamingTaskInput`.
    AdaptiveDynamicStreamingInput {
        /// The template.
        definition: Option<i64>,
        /// Watermarks, 10 at most.
        watermark_set: Vec<Watermark>,
    }

    /// `WatermarkInput`.
    Watermark {
        /// The template.
        definition: Option<i64>,
        /// The text of a text watermark.
        text_content: Option<String>,
        /// The drawing of an SVG watermark.
        svg_content: Option<String>,
        /// Seconds.
        start_time_offset: Option<f64>,
        /// Seconds.
        end_time_offset: Option<f64>,
    }
}
