use std::collections::BTreeSet;

use godwit_contract::{ASYNCAPI_JSON, FILE_DESCRIPTOR_SET};
use prost_reflect::DescriptorPool;
use serde_json::{Value, json};

use crate::openapi::references;

fn document() -> Value {
    serde_json::from_str(ASYNCAPI_JSON).unwrap()
}

#[test]
fn every_kind_of_frame_is_documented_on_both_channels() {
    let document = document();
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    for (side, name) in [("client", "godwit.v1.ClientFrame"), ("server", "godwit.v1.ServerFrame")] {
        let frame = pool.get_message_by_name(name).unwrap();
        let kinds: Vec<_> = frame.oneofs().next().unwrap().fields().collect();
        assert!(kinds.len() > 10, "{kinds:?}");
        for kind in kinds {
            let message = &document["components"]["messages"][format!("{side}.{}", kind.name())];
            assert_eq!(message["payload"]["required"], json!([kind.name()]), "{kind:?}");
            assert!(message["payload"]["properties"]["id"]["type"] == "string", "{kind:?}");
            for channel in ["me", "chat"] {
                let in_channel = &document["channels"][channel]["messages"][format!("{side}.{}", kind.name())];
                assert!(in_channel["$ref"].is_string(), "{channel} {kind:?}");
            }
        }
    }
    assert_eq!(document["operations"]["take"]["action"], "receive");
    assert_eq!(document["operations"]["tell_of_chat"]["action"], "send");
    assert_eq!(document["channels"]["me"]["address"], "/ws/me");
    assert_eq!(document["channels"]["chat"]["address"], "/ws/{chat_id}");
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.contains("#/components/schemas/godwit.v1.Message"));
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

#[test]
fn fields_are_as_their_json_is() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let update = &schemas["godwit.v1.Update"]["properties"];
    assert_eq!((&update["seq"]["type"], &update["seq"]["format"]), (&json!("string"), &json!("uint64")));
    let message = &schemas["godwit.v1.Message"]["properties"];
    assert_eq!(message["sent_at"]["format"], "date-time");
    assert_eq!(message["entities"]["items"]["$ref"], "#/components/schemas/godwit.v1.MessageEntity");
    assert!(schemas["godwit.v1.CallState"]["enum"].as_array().unwrap().contains(&json!("CALL_STATE_RINGING")));
}

#[test]
fn ways_to_prove_who_one_is_and_close_codes_are_told() {
    let document = document();
    let security = document["servers"]["gateway"]["security"].as_array().unwrap();
    assert_eq!(security.len(), 3);
    for channel in ["me", "chat"] {
        let codes = document["channels"][channel]["x-close-codes"].as_object().unwrap();
        for code in ["4401", "4403", "4408", "4409", "4413", "4429", "1012"] {
            assert!(codes.contains_key(code), "{code}");
        }
    }
}
