use godwit_contract::json;
use godwit_contract::v1::server_frame::Frame;
use godwit_contract::v1::{CallState, ServerFrame, Update};

fn read(text: &str) -> Result<ServerFrame, serde_json::Error> {
    json::read(text.as_bytes())
}

#[test]
fn members_that_are_unknown_are_ignored_at_every_depth() {
    let plain = r#"{"update": {"chat_id": "c", "seq": "7", "message_sent": {"message": {"id": "m", "entities": [{"offset": 1}]}}}}"#;
    let newer = r#"{"trace": {"id": 1}, "update": {"chat_id": "c", "shard": [[]], "seq": "7", "message_sent": {
        "message": {"id": "m", "colour": null, "entities": [{"offset": 1, "weight": {}}]}}}}"#;
    assert_eq!(read(newer).unwrap(), read(plain).unwrap());
    assert!(read(plain).unwrap().frame.is_some());
}

#[test]
fn a_kind_that_is_unknown_leaves_a_frame_without_content() {
    let frame = read(r#"{"id": "4", "poll": {"question": "?"}}"#).unwrap();
    assert_eq!((frame.id.as_str(), frame.frame), ("4", None));
    let update: Update = json::read(br#"{"seq": "3", "poll_closed": {}}"#).unwrap();
    assert_eq!((update.seq, update.change), (3, None));
}

#[test]
fn a_name_of_an_enum_that_is_unknown_counts_as_not_set() {
    let Some(Frame::Call(call)) = read(r#"{"call": {"id": "c", "state": "CALL_STATE_ON_HOLD"}}"#).unwrap().frame else {
        panic!("a call")
    };
    assert_eq!((call.id.as_str(), call.state()), ("c", CallState::Unspecified));
}

#[test]
fn what_is_wrong_stays_wrong() {
    for text in [
        "",
        "{",
        "[]",
        r#"{"id": 1}"#,
        r#"{"unknown": 1, "id": 1}"#,
        r#"{"unknown": 1, "ping": {}, "resync": {}}"#,
        r#"{"unknown": 1, "update": {"seq": "many"}}"#,
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    let error = read(r#"{"unknown": 1, "id": 1}"#).unwrap_err().to_string();
    assert!(error.contains("expected a string"), "{error}");
}

#[test]
fn depth_is_bounded_in_what_is_unknown_too() {
    let deep = format!(r#"{{"unknown": {}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    assert!(read(&deep).is_err());
}
