//! What holds for any body: of every type, with any of the documented fields, in any spelling.

use proptest::prelude::*;
use serde_json::Value;
use vod_relay::event::Event;
use vod_relay::event::procedure::step::Work;
use vod_relay::event::procedure::{ProcedureTask, Step};
use vod_relay::legacy::{to_v2, to_v3};

use super::FLOW;
use super::body::{Format, Tree, any_spelling, canonical, of_its_type};
use super::fields::{self, Kind, TYPES};

/// A body of any of the types.
fn any_body(format: Format, fields: fn(&fields::Field) -> bool) -> BoxedStrategy<String> {
    let bodies = TYPES.map(|event| {
        let all = fields::of(event.0);
        let tree = Tree::of(all.iter().filter(|field| fields(field)), format);
        tree.any(format, any_spelling).prop_map(move |data| format.body(event, &data)).boxed()
    });
    proptest::strategy::Union::new(bodies).boxed()
}

/// Whether 3.0 documents the field, and has it in one place only.
fn is_in_both(field: &fields::Field) -> bool {
    let last = field.v3.rsplit('.').next().unwrap();
    last.starts_with(|first: char| first.is_ascii_uppercase()) && !field.v2.starts_with("aiReview")
}

fn any_json() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        "[a-zA-Z]{0,3}".boxed(),
        proptest::sample::select(
            &[
                "EventType",
                "eventType",
                "data",
                "Type",
                "taskType",
                "Input",
                "input",
                "Output",
                "output",
                "PornTask",
                "riskType",
                "aiReview",
                "contentReviewList",
                "AiContentReviewResultSet",
                "MediaProcessResultSet",
                "processTaskList",
                "TranscodeTask",
                "WatermarkSet",
                "watermark",
                "MediaBasicInfo",
                "SourceInfo",
                "MetaData",
                "FileIdSet",
                "fileInfo",
                "Status",
            ][..]
        )
        .prop_map(str::to_owned)
        .boxed(),
    ];
    let leaf = prop_oneof![
        any_spelling(Kind::Text, Format::V2),
        Just("null".to_owned()).boxed(),
        Just("[]".to_owned()).boxed(),
        Just("\"Transcode\"".to_owned()).boxed(),
        Just("\"Porn\"".to_owned()).boxed(),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        let member =
            (name.clone(), inner.clone()).prop_map(|(name, value)| format!("\"{name}\":{value}"));
        prop_oneof![
            proptest::collection::vec(inner, 0..5).prop_map(|all| format!("[{}]", all.join(","))),
            proptest::collection::vec(member, 0..7)
                .prop_map(|all| format!("{{{}}}", all.join(","))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn from_2_0_to_3_0_and_back_nothing_changes(body in any_body(Format::V2, |_| true)) {
        let current = to_v3(&body).unwrap();
        prop_assert_eq!(canonical(&to_v2(&current).unwrap(), false), canonical(&body, false), "{}", current);
    }

    #[test]
    fn from_3_0_to_2_0_and_back_nothing_changes_that_2_0_has(body in any_body(Format::V3, is_in_both)) {
        let legacy = to_v2(&body).unwrap();
        prop_assert_eq!(canonical(&to_v3(&legacy).unwrap(), true), canonical(&body, true), "{}", legacy);
    }

    #[test]
    fn any_json_is_taken(data in any_json(), which in 0..TYPES.len()) {
        for format in [Format::V2, Format::V3] {
            for text in [data.clone(), format.body(TYPES[which], &data)] {
                for result in [to_v2(&text), to_v3(&text)].into_iter().flatten() {
                    let read: Result<serde::de::IgnoredAny, _> = serde_json::from_str(&result);
                    prop_assert!(read.is_ok(), "{text} became {result}");
                }
            }
        }
    }

    #[test]
    fn the_typed_reading_of_3_0_finds_what_2_0_said(data in flow()) {
        let body = Format::V2.body((FLOW, ""), &data);
        let event = Event::from_content(to_v3(&body).unwrap());
        prop_assert_eq!(event.event_type(), FLOW);
        let read = ProcedureTask::of(&event).unwrap().unwrap();
        let said: Value = serde_json::from_str(&data).unwrap();
        prop_assert_eq!(read.status.as_deref(), said["status"].as_str());
        prop_assert_eq!(read.task_id.as_deref(), said["vodTaskId"].as_str());
        let height = read.metadata.as_ref().and_then(|metadata| metadata.height);
        prop_assert_eq!(height, said["metaData"]["height"].as_i64());
        let entries = said["processTaskList"].as_array().cloned().unwrap_or_default();
        prop_assert_eq!(read.media_process_result_set.len(), entries.len());
        for (step, entry) in read.media_process_result_set.iter().zip(&entries) {
            prop_assert_eq!(Some(step.kind.as_str()), entry["taskType"].as_str());
            prop_assert_eq!(step.state.status.as_deref(), entry["status"].as_str());
            prop_assert_eq!(step.state.err_code, entry["errCode"].as_i64());
            if step.kind != "PullFile" {
                prop_assert_eq!(step.definition, entry["input"]["definition"].as_i64());
                prop_assert_eq!(urls_of(step), urls_in(&entry["output"]));
            }
        }
    }
}

fn flow() -> BoxedStrategy<String> {
    let fields = fields::of(FLOW);
    Tree::of(&fields, Format::V2).any(Format::V2, of_its_type)
}

/// The addresses of what a step has made.
fn urls_of(step: &Step) -> Vec<String> {
    match step.work.clone() {
        Some(Work::Transcode(task)) => task.output.and_then(|o| o.url).into_iter().collect(),
        Some(Work::AnimatedGraphic(task)) => task.output.and_then(|o| o.url).into_iter().collect(),
        Some(Work::CoverBySnapshot(task)) => {
            task.output.and_then(|o| o.cover_url).into_iter().collect()
        }
        Some(Work::SampleSnapshot(task)) => task.output.unwrap_or_default().image_url_set,
        Some(Work::ImageSprite(task)) => task.output.unwrap_or_default().image_url_set,
        Some(Work::SnapshotByTimeOffset(task)) => {
            let pictures = task.output.unwrap_or_default().pic_info_set;
            pictures.into_iter().filter_map(|picture| picture.url).collect()
        }
        _ => Vec::new(),
    }
}

/// The same of a 2.0 entry's output.
fn urls_in(output: &Value) -> Vec<String> {
    let list = |name: &str| output[name].as_array().cloned().unwrap_or_default();
    let pictures = list("imgInfo").into_iter().map(|mut picture| picture["url"].take());
    let all = [output["url"].clone(), output["imageUrl"].clone()].into_iter();
    let all = all.chain(list("imageUrls")).chain(list("urlList")).chain(pictures);
    all.filter_map(|url| url.as_str().map(str::to_owned)).collect()
}
