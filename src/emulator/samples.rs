//! Events to try things with, modelled on the samples in VOD's documentation.

/// Where a sample has its hash, its file's id and its file's name.
const MARK: char = '@';
/// The names that the documentation gives the file in its three languages.
const NAMES: [&str; 3] = ["动物世界", "동물의 세계", "Animal World"];
/// The id of the file in the documentation; the samples count on from it.
const FIRST_FILE: u64 = 5_285_890_784_246_869_930;

const PROCEDURE: &str = include_str!("samples/procedure.json");
const PROCESSING: &str = include_str!("samples/procedure_processing.json");
const NULLS: &str = include_str!("samples/procedure_nulls.json");
const UPLOAD: &str = include_str!("samples/upload.json");
const PULL: &str = include_str!("samples/pull.json");
const DELETE: &str = include_str!("samples/delete.json");

/// The `n`th sample: always the same text for the same number, another event for every number.
///
/// Most are `ProcedureStateChanged`, as in the documentation; of 16, one is of a task that is
/// still `PROCESSING`, two print their nulls as older answers of VOD do, and one each is a
/// `NewFileUpload`, a `PullComplete` and a `FileDeleted`.
pub fn sample(n: u64) -> String {
    let template = match n % 16 {
        3 => UPLOAD,
        5 => PROCESSING,
        7 => PULL,
        8 | 13 => NULLS,
        11 => DELETE,
        _ => PROCEDURE,
    };
    let hash = format!("{:016x}", mixed(n));
    let file = FIRST_FILE.wrapping_add(n).to_string();
    let name = NAMES.iter().cycle().nth((n % 3) as usize).copied().unwrap_or_default();
    let mut text = String::with_capacity(template.len() + 64);
    for part in template.trim_end().split(MARK) {
        text.push_str(match part {
            "HASH" => &hash,
            "FILE" => &file,
            "NAME" => name,
            _ => part,
        });
    }
    text
}

/// Another number for every number, without a pattern to the eye (the finisher of `SplitMix64`).
fn mixed(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;
    use crate::event::Event;

    #[test]
    fn every_sample_is_another_event_of_a_known_kind() {
        let mut ids = HashSet::new();
        let mut types: BTreeMap<String, u32> = BTreeMap::new();
        for n in 0..480 {
            let text = sample(n);
            let _json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            assert!(!text.contains(MARK) && text == sample(n), "{text}");
            let event = Event::from_content(text);
            assert!(ids.insert(event.id()), "sample {n} is not new");
            *types.entry(event.event_type().to_owned()).or_default() += 1;
            if event.event_type() == "ProcedureStateChanged" {
                let name = event.lookup("FileName").expect("a name");
                assert_eq!(name, NAMES[(n % 3) as usize]);
            }
        }
        let expected = [
            ("FileDeleted", 30),
            ("NewFileUpload", 30),
            ("ProcedureStateChanged", 390),
            ("PullComplete", 30),
        ];
        assert_eq!(types, expected.map(|(name, count)| (name.to_owned(), count)).into());
    }
}
