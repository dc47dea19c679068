//! The steps of a task flow: one result each.

use super::input::{
    AdaptiveDynamicStreamingInput, AnimatedGraphicInput, CoverBySnapshotInput, ImageSpriteInput,
    SampleSnapshotInput, SnapshotByTimeOffsetInput, TranscodeInput,
};
use super::lenient::{FromJson, Raw, structures};
use super::output::{
    AdaptiveDynamicStreamingOutput, AnimatedGraphicOutput, CoverBySnapshotOutput,
    ImageSpriteOutput, SampleSnapshotOutput, SnapshotByTimeOffsetOutput, TranscodeOutput,
};
use crate::json;

/// One result of a task flow.
///
/// VOD puts it into a member that is named after its kind, beside a null for every other kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    /// `Type`, such as `Transcode` or `Porn.Asr`; where it is missing, the member's name less
    /// `Task`.
    pub kind: String,
    /// The template that the task was told to follow.
    pub definition: Option<i64>,
    /// How the task went.
    pub state: State,
    /// What was to be done, and what was made; `None` where that cannot be read.
    pub work: Option<Work>,
}

structures! {
    /// How a task went: what all kinds of task have in common.
    State {
        /// `PROCESSING`, `SUCCESS` or `FAIL`.
        status: Option<String>,
        /// The newer error code, a word; empty if all is well.
        err_code_ext: Option<String>,
        /// The older error code; 0 if all is well.
        err_code: Option<i64>,
        /// The error in words, or `SUCCESS`.
        message: Option<String>,
        /// Percent.
        progress: Option<i64>,
        /// When work on it began, ISO 8601.
        begin_process_time: Option<String>,
        /// When work on it ended, ISO 8601.
        finish_time: Option<String>,
    }
}

/// What a task was told to do, and what it has made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Task<I, O> {
    /// What it was told to do.
    pub input: Option<I>,
    /// What it has made; nothing before it has succeeded.
    pub output: Option<O>,
}

/// A task, by its kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Makes a file of another format or size.
    Transcode(Task<TranscodeInput, TranscodeOutput>),
    /// Makes a moving picture.
    AnimatedGraphic(Task<AnimatedGraphicInput, AnimatedGraphicOutput>),
    /// Takes pictures at given times.
    SnapshotByTimeOffset(Task<SnapshotByTimeOffsetInput, SnapshotByTimeOffsetOutput>),
    /// Takes pictures at regular intervals.
    SampleSnapshot(Task<SampleSnapshotInput, SampleSnapshotOutput>),
    /// Puts many small pictures into a large one.
    ImageSprite(Task<ImageSpriteInput, ImageSpriteOutput>),
    /// Takes the cover.
    CoverBySnapshot(Task<CoverBySnapshotInput, CoverBySnapshotOutput>),
    /// Makes streams to switch between.
    AdaptiveDynamicStreaming(Task<AdaptiveDynamicStreamingInput, AdaptiveDynamicStreamingOutput>),
    /// A review, an analysis, a recognition, or a kind that is newer than this program.
    Other {
        /// The member that it stands in, such as `PornTask`.
        member: String,
        /// The input and the output as written.
        task: Task<Raw, Raw>,
    },
}

impl FromJson for Step {
    fn from_json(text: &str) -> Option<Self> {
        if !text.starts_with('{') {
            return None;
        }
        let task = json::members(text).find(|member| member.value.starts_with('{'));
        let Some(task) = task else {
            let kind = get(text, "Type").unwrap_or_default();
            return Some(Self { kind, ..Self::default() });
        };
        let name = task.key();
        let kind = get(text, "Type")
            .unwrap_or_else(|| name.strip_suffix("Task").unwrap_or(&name).to_owned());
        Some(Self {
            kind,
            definition: member(task.value, "Input").and_then(|input| get(input, "Definition")),
            state: State::from_json(task.value).unwrap_or_default(),
            work: Some(Work::read(&name, task.value)),
        })
    }
}

impl Work {
    fn read(member: &str, text: &str) -> Self {
        match member {
            "TranscodeTask" => Self::Transcode(read_task(text)),
            "AnimatedGraphicTask" => Self::AnimatedGraphic(read_task(text)),
            "SnapshotByTimeOffsetTask" => Self::SnapshotByTimeOffset(read_task(text)),
            "SampleSnapshotTask" => Self::SampleSnapshot(read_task(text)),
            "ImageSpriteTask" => Self::ImageSprite(read_task(text)),
            "CoverBySnapshotTask" => Self::CoverBySnapshot(read_task(text)),
            "AdaptiveDynamicStreamingTask" => Self::AdaptiveDynamicStreaming(read_task(text)),
            _ => Self::Other { member: member.to_owned(), task: read_task(text) },
        }
    }
}

fn read_task<I: FromJson, O: FromJson>(text: &str) -> Task<I, O> {
    Task { input: get(text, "Input"), output: get(text, "Output") }
}

fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    json::members(text).find(|member| member.key() == name).map(|member| member.value)
}

fn get<T: FromJson>(text: &str, name: &str) -> Option<T> {
    T::from_json(member(text, name)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Step {
        Step::from_json(text).unwrap()
    }

    #[test]
    fn every_kind_of_media_task_has_its_types() {
        let cases = [
            ("TranscodeTask", r#"{"Duration":60}"#),
            ("AnimatedGraphicTask", r#"{"Container":"gif"}"#),
            ("SnapshotByTimeOffsetTask", r#"{"PicInfoSet":[{"TimeOffset":3,"Url":"u"}]}"#),
            ("SampleSnapshotTask", r#"{"ImageUrlSet":["u"],"WaterMarkDefinition":null}"#),
            ("ImageSpriteTask", r#"{"TotalCount":106,"WebVttUrl":"u"}"#),
            ("CoverBySnapshotTask", r#"{"CoverUrl":"u"}"#),
            ("AdaptiveDynamicStreamingTask", r#"{"SubStreamSet":[{"Type":"audio"}]}"#),
        ];
        for (member, output) in cases {
            let step = read(&format!(
                r#"{{"Type":"T","Null":null,"{member}":{{"Status":"SUCCESS","Input":{{"Definition":10}},"Output":{output}}}}}"#
            ));
            assert_eq!((step.kind.as_str(), step.definition), ("T", Some(10)));
            assert_eq!(step.state.status.as_deref(), Some("SUCCESS"));
            let read = match step.work.unwrap() {
                Work::Transcode(task) => task.output.unwrap().duration == Some(60.0),
                Work::AnimatedGraphic(task) => task.output.unwrap().container.unwrap() == "gif",
                Work::SnapshotByTimeOffset(task) => {
                    task.output.unwrap().pic_info_set[0].time_offset == Some(3.0)
                }
                Work::SampleSnapshot(task) => task.output.unwrap().image_url_set == ["u"],
                Work::ImageSprite(task) => task.output.unwrap().web_vtt_url.unwrap() == "u",
                Work::CoverBySnapshot(task) => task.output.unwrap().cover_url.unwrap() == "u",
                Work::AdaptiveDynamicStreaming(task) => {
                    task.output.unwrap().sub_stream_set[0].r#type.as_deref() == Some("audio")
                }
                Work::Other { member, .. } => panic!("{member} is not known"),
            };
            assert!(read, "{member}");
        }
    }

    #[test]
    fn other_kinds_keep_their_input_and_output_as_written() {
        let text = r#"{"PornTask":{"ErrCodeExt":"E","Input":{"Definition":10},"Output":{"Confidence": 98}}}"#;
        let step = read(text);
        assert_eq!((step.kind.as_str(), step.definition), ("Porn", Some(10)));
        assert_eq!(step.state.err_code_ext.as_deref(), Some("E"));
        let Some(Work::Other { member, task }) = step.work else { panic!("{step:?}") };
        assert_eq!(member, "PornTask");
        assert_eq!(task.output, Some(Raw(r#"{"Confidence": 98}"#.into())));
    }

    #[test]
    fn what_cannot_be_read_is_left_out_and_the_rest_stays() {
        let step = read(r#"{"Type":"Transcode","TranscodeTask":null}"#);
        assert_eq!((step.kind.as_str(), step.work), ("Transcode", None));
        let step = read(
            r#"{"Type":"SnapshotByTimeOffset","SnapshotByTimeOffsetTask":{"Status":"SUCCESS",
                "ErrCode":"none","Input":{"Definition":[3,6,9]},"Output":{"Definition":10}}}"#,
        );
        assert_eq!((step.definition, step.state.err_code), (None, None));
        let Some(Work::SnapshotByTimeOffset(task)) = step.work else { panic!("{:?}", step.work) };
        assert_eq!(task.output.unwrap().definition, Some(10));
        assert_eq!(Step::from_json("\"Transcode\""), None);
    }
}
