//! The legacy 2.0 format and the 3.0 format, one made into the other and back.

mod body;
mod fields;
mod properties;

use serde_json::Value;
use vod_relay::legacy::{NoCounterpart, is_legacy, to_v2, to_v3};

use self::body::{Format, Tree, canonical};
use self::fields::{Kind, TYPES};

/// VOD's own sample of the 2.0 format.
const SAMPLE: &str = include_str!("../data/events/procedure-state-changed.en-legacy.normal.json");

const SAMPLES: [&str; 4] = [
    include_str!("../data/events/procedure-state-changed.en.normal.json"),
    include_str!("../data/events/procedure-state-changed.ko.normal.json"),
    include_str!("../data/events/procedure-state-changed.ko-2023.normal.json"),
    include_str!("../data/events/procedure-state-changed.zh.normal.json"),
];

/// The text without white space between its tokens.
fn minified(text: &str) -> String {
    let mut in_string = false;
    let mut escaped = false;
    let keep = |char: &char| {
        let quote = *char == '"' && !escaped;
        escaped = in_string && *char == '\\' && !escaped;
        in_string ^= quote;
        in_string || !char.is_whitespace()
    };
    text.chars().filter(keep).collect()
}

#[test]
fn the_vendors_sample_goes_to_3_0_and_back_byte_for_byte() {
    assert!(is_legacy(SAMPLE));
    let current = to_v3(SAMPLE).unwrap();
    assert!(!is_legacy(&current));
    assert_eq!(minified(&to_v2(&current).unwrap()), minified(SAMPLE));
}

#[test]
fn the_vendors_samples_of_3_0_have_a_2_0_form_that_says_the_same() {
    for sample in SAMPLES {
        let legacy: Value = serde_json::from_str(&to_v2(sample).unwrap()).unwrap();
        let sample: Value = serde_json::from_str(sample).unwrap();
        let (data, flow) = (&legacy["data"], &sample["ProcedureStateChangeEvent"]);
        assert_eq!(legacy["version"], "4.0");
        for (v2, v3) in [
            ("/vodTaskId", "/TaskId"),
            ("/fileId", "/FileId"),
            ("/metaData/duration", "/MetaData/Duration"),
            ("/metaData/videoStreamList/0/fps", "/MetaData/VideoStreamSet/0/Fps"),
            ("/processTaskList/0/taskType", "/MediaProcessResultSet/0/Type"),
            ("/processTaskList/0/output/url", "/MediaProcessResultSet/0/TranscodeTask/Output/Url"),
            (
                "/processTaskList/1/output/imageUrl",
                "/MediaProcessResultSet/1/CoverBySnapshotTask/Output/CoverUrl",
            ),
        ] {
            assert!(data.pointer(v2).is_some(), "{v2} is missing in {legacy}");
            assert_eq!(data.pointer(v2), flow.pointer(v3), "{v2}");
        }
        assert!(data.get("fileName").is_none() && data.get("FileName").is_none());
    }
}

#[test]
fn every_documented_field_has_its_place_in_the_other_format() {
    let mut count = 0;
    for event in TYPES {
        for field in fields::of(event.0) {
            let value = |kind| match kind {
                Kind::Number => "12345678901234567890.10e-5".to_owned(),
                _ => r#""a\u4e2d\"中""#.to_owned(),
            };
            let [v2, v3] = [Format::V2, Format::V3].map(|format| {
                let data = Tree::of([&field], format).full(format, value);
                format.body(event, &data)
            });
            let name = &field.v2;
            assert_eq!(canonical(&to_v3(&v2).unwrap(), false), canonical(&v3, false), "{name}");
            let back = if name.starts_with("aiReview") { to_v3(&v2).unwrap() } else { v3 };
            assert_eq!(canonical(&to_v2(&back).unwrap(), false), canonical(&v2, false), "{name}");
            count += 1;
        }
    }
    assert!(count > 150, "only {count} fields were found");
}

#[test]
fn an_event_that_the_other_format_lacks_is_named() {
    let none = to_v3(r#"{"version":"4.0","eventType":"PorncheckComplete","data":{"status":0}}"#);
    assert_eq!(none, Err(NoCounterpart::InCurrent("PorncheckComplete".into())));
    let none = to_v2(r#"{"EventType":"EditMediaComplete","EditMediaCompleteEvent":{}}"#);
    assert_eq!(
        none.unwrap_err().to_string(),
        "the legacy 2.0 format has no event EditMediaComplete; `fallback = \"callback\"` sends \
         such events in their 3.0 form"
    );
    let other =
        r#"{"EventType":"NewFileUpload","FileUploadEvent":null,"WechatPublishComplete":{}}"#;
    assert_eq!(to_v2(other), Err(NoCounterpart::InLegacy("WechatPublishComplete".into())));
    let long = format!(r#"{{"eventType":"{}\n","data":{{}}}}"#, "a".repeat(100));
    assert_eq!(to_v3(&long), Err(NoCounterpart::InCurrent("a".repeat(80).as_str().into())));
}

#[test]
fn what_is_no_event_is_said_to_be_none() {
    for text in ["null", "[]", "{}", r#"{"eventType":"X"}"#, r#"{"eventType":1,"data":{}}"#] {
        assert!(!is_legacy(text), "{text}");
        assert_eq!(to_v3(text), Err(NoCounterpart::NotLegacy), "{text}");
        assert_eq!(to_v2(text), Err(NoCounterpart::NotCurrent), "{text}");
    }
    assert_eq!(to_v2(SAMPLE), Err(NoCounterpart::NotCurrent));
    assert!(!is_legacy(r#"{"eventType":"X","data":{},"EventType":"X"}"#));
    assert!(is_legacy(r#"{"data":{},"EventType":null,"eventType":"X"}"#));
}

/// To 3.0: what becomes of an event's data.
fn data_v3(event_type: &str, data: &str) -> String {
    let event = TYPES.into_iter().find(|(name, _)| *name == event_type).unwrap();
    let text = to_v3(&Format::V2.body(event, data)).unwrap();
    let start = format!(r#"{{"EventType":"{event_type}","{}":"#, event.1);
    text.strip_prefix(&start).unwrap().strip_suffix('}').unwrap().to_owned()
}

/// To 2.0: what becomes of an event's data.
fn data_v2(event_type: &str, data: &str) -> String {
    let event = TYPES.into_iter().find(|(name, _)| *name == event_type).unwrap();
    let text = to_v2(&Format::V3.body(event, data)).unwrap();
    let start = format!(r#"{{"version":"4.0","eventType":"{event_type}","data":"#);
    text.strip_prefix(&start).unwrap().strip_suffix('}').unwrap().to_owned()
}

const FLOW: &str = "ProcedureStateChanged";

#[test]
fn what_belongs_to_one_delivery_is_left_out() {
    let text = r#"{"EventHandle":"h","EventType":"PullComplete","Sign":"s","T":5,"FileUploadEvent":null,"PullCompleteEvent":{"FileId":"1"},"x":{"y":1}}"#;
    let legacy = to_v2(text).unwrap();
    assert_eq!(
        legacy,
        r#"{"version":"4.0","eventType":"PullComplete","data":{"fileId":"1"},"x":{"y":1}}"#
    );
    let signed = legacy.replace(r#","x""#, r#","Sign":"s","T":5,"EventHandle":"h","x""#);
    assert_eq!(
        to_v3(&signed).unwrap(),
        r#"{"EventType":"PullComplete","PullCompleteEvent":{"fileId":"1"},"x":{"y":1}}"#
            .replace("fileId", "FileId")
    );
}

#[test]
fn an_event_without_its_type_or_with_another_is_told_by_its_member() {
    let text = r#"{"EventType":"NewFileUpload","FileUploadEvent":null,"PullCompleteEvent":{}}"#;
    assert!(to_v2(text).unwrap().contains(r#""eventType":"PullComplete""#));
    let text = r#"{"FileDeleteEvent":{"FileIdSet":["1"]}}"#;
    assert!(
        to_v2(text)
            .unwrap()
            .contains(r#""eventType":"FileDeleted","data":{"fileInfo":[{"fileId":"1"}]}"#)
    );
    assert!(
        to_v2(r#"{"EventType":"FileDeleted","FileDeleteEvent":null}"#)
            .unwrap()
            .ends_with(r#""data":{}}"#)
    );
}

#[test]
fn what_2_0_never_had_is_left_out_unless_an_application_asked_for_it() {
    let task = r#"{"TaskId":"t","FileName":"n","FileUrl":null,"TasksPriority":0,"SessionContext":"","SessionId":"s"}"#;
    assert_eq!(data_v2(FLOW, task), r#"{"vodTaskId":"t","sessionId":"s"}"#);
    let pull = r#"{"ErrCode":0,"ProcedureTaskId":"p","SessionContext":"c","SessionId":"","MediaBasicInfo":{"FileId":"1","MediaBasicInfo":{"Name":"n"}}}"#;
    assert_eq!(
        data_v2("PullComplete", pull),
        r#"{"status":0,"procedureTaskId":"p","sessionContext":"c"}"#
    );
}

#[test]
fn results_that_2_0_never_had_go_along_and_come_back() {
    let task = r#"{"MediaProcessResultSet":[{"Type":"AdaptiveDynamicStreaming","AdaptiveDynamicStreamingTask":{"Status":"SUCCESS","ErrCode":0,"Input":{"Definition":10,"WatermarkSet":[{"Definition":1}]},"Output":{"Package":"hls","SubStreamSet":[{"Type":"audio"}]}}}],"AiContentReviewResultSet":[{"Type":"Porn.Asr","PornAsrTask":{"Status":"FAIL"}}],"AiAnalysisResultSet":[{"Type":"Cover","CoverTask":{"Output":{"CoverSet":[{"CoverUrl":"u"}]}}}],"AiRecognitionResultSet":[{"Type":"OcrFullTextRecognition","OcrFullTextTask":{"Status":"SUCCESS"}}]}"#;
    let legacy = data_v2(FLOW, task);
    assert_eq!(
        legacy,
        r#"{"processTaskList":[{"taskType":"AdaptiveDynamicStreaming","status":"SUCCESS","errCode":0,"input":{"definition":10,"watermarkSet":[{"definition":1}]},"output":{"package":"hls","subStreamSet":[{"type":"audio"}]}}],"contentReviewList":[{"taskType":"Porn.Asr","status":"FAIL"}],"aIAnalysisList":[{"taskType":"Cover","output":{"coverSet":[{"coverUrl":"u"}]}}],"aIRecognitionList":[{"taskType":"OcrFullTextRecognition","status":"SUCCESS"}]}"#
    );
    assert_eq!(data_v3(FLOW, &legacy), task);
    assert_eq!(data_v2(FLOW, r#"{"AiRecognitionResultSet":[],"AiAnalysisResultSet":null}"#), "{}");
}

#[test]
fn the_defects_of_the_vendors_samples_do_no_harm() {
    let cases = [
        (r#"{"FileId":5285485487985271490}"#, r#"{"fileId":5285485487985271490}"#),
        (
            r#"{"AiRecognitionResultSet":[{"Type":"FaceRecognition","FaceRecognitionTask":{"Status":"SUCCESS"}}]}"#,
            r#"{"aIRecognitionList":[{"taskType":"FaceRecognition","status":"SUCCESS"}]}"#,
        ),
        (
            r#"{"MediaProcessResultSet":[{"Type":"SnapshotByTimeOffset","TranscodeTask":null,"SnapshotByTimeOffsetTask":{"Input":{"Definition":[3,6,9],"WatermarkSet":null},"Output":null}}]}"#,
            r#"{"processTaskList":[{"taskType":"SnapshotByTimeOffset","input":{"definition":[3,6,9]}}]}"#,
        ),
        (
            r#"{"MediaProcessResultSet":[{"Type":"SampleSnapshot","SampleSnapshotTask":{"Output":{"Definition":10,"PicInfoSet":[{"TimeOffset":6,"Url":"a"},{"Url":"b"}]}}}]}"#,
            r#"{"processTaskList":[{"taskType":"SampleSnapshot","output":{"imageUrls":["a","b"]}}]}"#,
        ),
        (
            r#"{"MediaProcessResultSet":[{"ImageSpriteTask":{"Status":"FAIL"}},{"NewTask":{}},{"Type":"Transcode"},null,"x",[{}]],"MetaData":"none"}"#,
            r#"{"processTaskList":[{"taskType":"ImageSprites","status":"FAIL"},{"taskType":"New"},{"taskType":"Transcode"},null,"x",[{}]],"metaData":"none"}"#,
        ),
        (
            r#"{"MediaProcessResultSet":{"Type":"Transcode","TranscodeTask":{"Input":{"WatermarkSet":5,"MosaicSet":{"XPos":"1"}}}},"AiContentReviewResultSet":"x"}"#,
            r#"{"processTaskList":{"taskType":"Transcode","input":{"mosaicList":{"left":"1"}}},"contentReviewList":"x"}"#,
        ),
    ];
    for (current, legacy) in cases {
        assert_eq!(data_v2(FLOW, current), legacy, "{current}");
    }
}

#[test]
fn ai_review_is_told_from_a_review_of_3_0() {
    let legacy = r#"{"aiReview":{"definition":1,"riskType":["Porn"],"imgInfo":[{"url":"u","riskType":["Porn"]}]},"contentReviewList":[{"taskType":"Porn","input":{"definition":2}}]}"#;
    let current = data_v3(FLOW, legacy);
    assert_eq!(
        current,
        r#"{"AiContentReviewResultSet":[{"Type":"Porn","PornTask":{"Input":{"Definition":1},"riskType":["Porn"],"Output":{"SegmentSet":[{"Url":"u","riskType":["Porn"]}]}}},{"Type":"Porn","PornTask":{"Input":{"Definition":2}}}]}"#
    );
    assert_eq!(data_v2(FLOW, &current), legacy);
    for both in [
        r#"{"aiReview":{},"contentReviewList":[]}"#,
        r#"{"contentReviewList":[],"aiReview":{"definition":1}}"#,
        r#"{"contentReviewList":[[1],[2]],"aiReview":{}}"#,
        r#"{"aiReview":{"riskType":[]},"contentReviewList":[[[1]],2]}"#,
        r#"{"aiReview":[],"contentReviewList":{}}"#,
    ] {
        let back = data_v2(FLOW, &data_v3(FLOW, both));
        assert_eq!(canonical(&back, false), canonical(both, false));
    }
}

#[test]
fn a_value_that_is_not_as_documented_keeps_its_name_and_comes_back() {
    let odd = [
        (FLOW, r#"{"processTaskList":[{"taskType":"Transcode","input":{"watermark":2}}]}"#),
        (FLOW, r#"{"processTaskList":[{"taskType":"Transcode","input":{"watermark":1.0}}]}"#),
        (
            FLOW,
            r#"{"processTaskList":[{"taskType":"SampleSnapshot","input":{"watermarkDefinition":7}}]}"#,
        ),
        (
            FLOW,
            r#"{"processTaskList":[{"status":"SUCCESS","input":{}},{"taskType":1},5,{"taskType":"\"","x":1},{"taskType":""}]}"#,
        ),
        (FLOW, r#"{"processTaskList":"none","metaData":[{"size":1},2],"vodTaskId":{"a":[]}}"#),
        ("FileDeleted", r#"{"fileInfo":[{"fileId":"1","more":2}]}"#),
        ("FileDeleted", r#"{"fileInfo":[{}]}"#),
        ("FileDeleted", r#"{"fileInfo":{"fileId":"1"}}"#),
        ("NewFileUpload", r#"{"mediaBasicInfo":1,"fileName":"a","中文":{},"":0,"\u0041b":1}"#),
        ("ClipComplete", r#"{"fileInfo":[{"status":1}]}"#),
    ];
    for (event_type, data) in odd {
        let current = data_v3(event_type, data);
        let back = data_v2(event_type, &current);
        assert_eq!(canonical(&back, false), canonical(data, false), "{current}");
    }
}

#[test]
fn of_two_members_with_one_name_the_documented_one_counts() {
    let text = r#"{"TaskId":"newer","vodTaskId":"right","vodTaskId":"again","ErrCode":1}"#;
    assert_eq!(data_v3("PullComplete", text), r#"{"TaskId":"right","ErrCode":1}"#);
    let text = r#"{"vodTaskId":"from 2.0","TaskId":"right","fileId":"f"}"#;
    assert_eq!(data_v2("PullComplete", text), r#"{"vodTaskId":"right","fileId":"f"}"#);
}

#[test]
fn deep_nests_and_many_members_are_taken() {
    let deep = format!("{}{}", "[{\"A\":".repeat(10_000), "1".to_owned() + &"}]".repeat(10_000));
    let flow = format!(
        r#"{{"MediaProcessResultSet":[{{"Type":"X","XTask":{{"Input":{deep},"Output":1}}}}]}}"#
    );
    let legacy = data_v2(FLOW, &flow);
    assert!(legacy.contains(r#"[{"a":"#) && legacy.contains(r#"[{"A":"#));
    assert_eq!(data_v3(FLOW, &legacy), flow);
    let many: Vec<_> = (0..20_000).map(|n| format!("\"m{n}\":{n},\"fileName\":1")).collect();
    let many = format!("{{{}}}", many.join(","));
    assert!(
        data_v2("NewFileUpload", &data_v3("NewFileUpload", &many)).contains("\"m19999\":19999")
    );
}
