//! The task flow inside a `ProcedureStateChanged` event.
//!
//! This is a reading of the event for this program's own use: every member is optional, unknown
//! ones are passed over, and one that cannot be read is left out. It is never written back; what
//! goes to a sink is the event's own text.
//!
//! Source: `ProcedureTask` in the VOD API, version 2018-07-17,
//! <https://cloud.tencent.com/document/api/266/31773#ProcedureTask>

pub mod input;
mod lenient;
pub mod metadata;
pub mod output;
pub mod step;
mod summary;

pub use lenient::Raw;
pub use metadata::MetaData;
pub use step::Step;
pub use summary::Summary;

use super::Event;

lenient::structures! {
    /// A task flow: what was done with a media file.
    ProcedureTask {
        /// The task, such as `1256768367-Procedure-475b72xxxcb177t1`.
        task_id: Option<String>,
        /// `PROCESSING` or `FINISH`. A flow is finished also when its steps have failed.
        status: Option<String>,
        /// No longer used by VOD: look at the steps.
        err_code: Option<i64>,
        /// No longer used by VOD: look at the steps.
        message: Option<String>,
        /// The media file.
        file_id: Option<String>,
        /// The media file's name.
        file_name: Option<String>,
        /// Where the media file is.
        file_url: Option<String>,
        /// What is known about the media file.
        #[serde(rename = "MetaData")]
        metadata: Option<MetaData>,
        /// What was made of the media file.
        media_process_result_set: Vec<Step>,
        /// What a review of its content found.
        ai_content_review_result_set: Vec<Step>,
        /// What an analysis of its content found.
        ai_analysis_result_set: Vec<Step>,
        /// What was recognised in it.
        ai_recognition_result_set: Vec<Step>,
        /// From -10 to 10.
        tasks_priority: Option<i64>,
        /// `Finish`, `Change` or `None`.
        tasks_notify_mode: Option<String>,
        /// The application's own data.
        session_context: Option<String>,
        /// The application's own id for the request.
        session_id: Option<String>,
        /// Who started the flow.
        operator: Option<String>,
        /// Why the flow was started.
        operation_type: Option<String>,
    }
}

impl ProcedureTask {
    /// Reads the task flow out of an event; `None` if the event is of another type, or
    /// has the legacy 2.0 shape.
    ///
    /// # Errors
    ///
    /// The event's data is not an object, or names a member twice.
    pub fn of(event: &Event) -> Option<Result<Self, serde_json::Error>> {
        let is_flow = event.event_type() == "ProcedureStateChanged" && !event.is_legacy();
        is_flow.then(|| serde_json::from_str(event.body()))
    }

    /// All steps, in the order of the lists above.
    pub fn steps(&self) -> impl Iterator<Item = &Step> + Clone {
        let lists = [
            &self.media_process_result_set,
            &self.ai_content_review_result_set,
            &self.ai_analysis_result_set,
            &self.ai_recognition_result_set,
        ];
        lists.into_iter().flatten()
    }

    /// The flow in one line, for people.
    pub fn summary(&self) -> Summary<'_> {
        Summary(self)
    }
}

#[cfg(test)]
mod tests {
    use super::step::Work;
    use super::*;

    macro_rules! sample {
        ($name:literal) => {
            include_str!(concat!(
                "../../tests/data/events/procedure-state-changed.",
                $name,
                ".json"
            ))
        };
    }

    const SAMPLES: [(&str, &str, &str); 4] = [
        ("动物世界", sample!("zh.normal"), sample!("zh.pulled")),
        ("동물의 세계", sample!("ko.normal"), sample!("ko.pulled")),
        ("동물의 세계", sample!("ko-2023.normal"), sample!("ko-2023.pulled")),
        ("Animal World", sample!("en.normal"), sample!("en.pulled")),
    ];

    fn pushed(text: &str) -> ProcedureTask {
        ProcedureTask::of(&Event::from_content(text.trim().to_owned())).unwrap().unwrap()
    }

    fn pulled(text: &str) -> ProcedureTask {
        let answer: serde_json::Value = serde_json::from_str(text).unwrap();
        let first = answer["Response"]["EventSet"][0].to_string();
        let (event, _) = Event::from_event_set(&first).unwrap();
        ProcedureTask::of(&event).unwrap().unwrap()
    }

    fn flow(members: &str) -> ProcedureTask {
        pushed(&format!(
            r#"{{"EventType":"ProcedureStateChanged","ProcedureStateChangeEvent":{{{members}}}}}"#
        ))
    }

    #[test]
    fn the_documentations_samples_are_read_in_every_language_and_form() {
        for (name, normal, reliable) in SAMPLES {
            for task in [pushed(normal), pulled(reliable)] {
                assert_eq!(
                    task.summary().to_string(),
                    format!(
                        "FINISH {name} (640x480, 60 s): \
                         Transcode 20 SUCCESS, CoverBySnapshot 10 SUCCESS"
                    )
                );
                assert_eq!(task.task_id.as_deref(), Some("1256768367-Procedure-475b72xxxcb177t1"));
                assert_eq!(task.file_id.as_deref(), Some("5285890784246869930"));
                assert!(task.ai_content_review_result_set.is_empty());
                let metadata = task.metadata.as_ref().unwrap();
                assert_eq!(metadata.audio_duration, Some(59.990001678467));
                assert_eq!(metadata.video_stream_set[0].codec.as_deref(), Some("h264"));
                let Some(Work::Transcode(transcode)) = &task.media_process_result_set[0].work
                else {
                    panic!("{task:?}")
                };
                let output = transcode.output.as_ref().unwrap();
                assert_eq!(output.md5.as_deref(), Some("eff7031ad7877865f9a3240e9ab165ad"));
                assert_eq!(output.audio_stream_set[0].sampling_rate, Some(44100));
                assert!(transcode.input.as_ref().unwrap().watermark_set.is_empty());
            }
        }
    }

    #[test]
    fn the_legacy_form_and_other_events_are_no_procedure_task() {
        let legacy = sample!("en-legacy.normal").trim().to_owned();
        assert!(ProcedureTask::of(&Event::from_content(legacy)).is_none());
        let other = r#"{"EventType":"NewFileUpload","FileUploadEvent":{"FileId":"1"}}"#;
        assert!(ProcedureTask::of(&Event::from_content(other.to_owned())).is_none());
    }

    #[test]
    fn data_that_is_not_there_is_an_error() {
        let event = r#"{"EventType":"ProcedureStateChanged","ProcedureStateChangeEvent":null}"#;
        assert!(ProcedureTask::of(&Event::from_content(event.to_owned())).unwrap().is_err());
    }

    #[test]
    fn ids_keep_every_digit_and_nulls_are_nothing() {
        let task = flow(
            r#""FileId":5285485487985271490,"TaskId":null,"MediaProcessResultSet":null,
               "MetaData":null,"NewMember":{"a":[1]}"#,
        );
        assert_eq!(task.file_id.as_deref(), Some("5285485487985271490"));
        assert_eq!(task, ProcedureTask { file_id: task.file_id.clone(), ..Default::default() });
        assert_eq!(task.summary().to_string(), "? 5285485487985271490");
    }

    #[test]
    fn one_odd_result_does_not_spoil_the_others() {
        let task = flow(
            r#""Status":"PROCESSING","MetaData":["?"],"MediaProcessResultSet":[
                7, null, {"Type":"Transcode","TranscodeTask":{"Status":"A","Status":"B"}},
                {"Type":"ImageSprites","ImageSpriteTask":{"Status":"PROCESSING","Progress":40,
                    "Input":{"Definition":10}}},
                {"Type":"Transcode","TranscodeTask":{"Status":"FAIL","ErrCode":30009,
                    "ErrCodeExt":"FileInvalid","Message":"broken\nfile","Input":{"Definition":20}}}],
               "AiContentReviewResultSet":[{"Type":"Porn.Asr","PornAsrTask":{"Status":"SUCCESS",
                    "ErrCode":0,"Message":"SUCCESS","Input":{"Definition":30}}}]"#,
        );
        assert_eq!(
            task.summary().to_string(),
            "PROCESSING: Transcode ?, ImageSprites 10 PROCESSING 40%, \
             Transcode 20 FAIL [error 30009 FileInvalid broken file], Porn.Asr 30 SUCCESS"
        );
    }

    #[test]
    fn the_line_stays_one_line_of_bounded_length() {
        let step = r#"{"Type":"Transcode","TranscodeTask":{"Status":"SUCCESS"}}"#;
        let steps = vec![step; 1000].join(",");
        let name = "长\\r\\n".repeat(1000);
        let members = format!(
            r#""Status":"FINISH","ErrCode":-9223372036854775808,"FileName":"{name}",
               "MetaData":{{"Width":9223372036854775807,"Height":9223372036854775807,
               "Duration":1e308}},"MediaProcessResultSet":[{steps}]"#
        );
        let line = flow(&members).summary().to_string();
        assert!(!line.contains(char::is_control), "{line}");
        assert!(line.ends_with("Transcode SUCCESS and 984 more"), "{line}");
        assert!(line.chars().count() < 1000, "{line}");
    }

    mod with_anything_anywhere {
        use proptest::prelude::*;
        use serde_json::{Value, json};

        use super::*;

        fn anything() -> impl Strategy<Value = Value> {
            prop_oneof![
                Just(Value::Null),
                any::<bool>().prop_map(Value::from),
                any::<f64>().prop_map(Value::from),
                ".*".prop_map(Value::from),
                Just(json!([])),
                Just(json!([[{"Type": 1}], "x", {"Input": {"Definition": {}}}])),
                Just(json!({"Status": [], "Output": 1})),
            ]
        }

        fn places(value: &Value, path: &str, found: &mut Vec<String>) {
            let children: Vec<_> = match value {
                Value::Object(object) => object.iter().map(|(k, v)| (k.clone(), v)).collect(),
                Value::Array(array) => {
                    array.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect()
                }
                _ => Vec::new(),
            };
            for (key, child) in children {
                let path = format!("{path}/{key}");
                places(child, &path, found);
                found.push(path);
            }
        }

        proptest! {
            #[test]
            fn the_task_is_still_read(thing in anything(), at in any::<prop::sample::Index>()) {
                let mut sample: Value = serde_json::from_str(SAMPLES[0].1).unwrap();
                let mut found = Vec::new();
                let member = &sample["ProcedureStateChangeEvent"];
                places(member, "/ProcedureStateChangeEvent", &mut found);
                let place: &String = at.get(found.as_slice());
                *sample.pointer_mut(place).unwrap() = thing;
                let line = pushed(&sample.to_string()).summary().to_string();
                prop_assert!(!line.contains(char::is_control));
                prop_assert!(line.contains("FINISH") || place.ends_with("/Status"));
                prop_assert!(
                    line.contains("Transcode 20 SUCCESS")
                        || line.contains("CoverBySnapshot 10 SUCCESS")
                        || place.ends_with("/MediaProcessResultSet")
                );
            }
        }
    }
}
