use std::collections::BTreeSet;

use godwit_contract::rest::REST_ROUTES;
use godwit_contract::{FILE_DESCRIPTOR_SET, OPENAPI_JSON};
use serde_json::{Value, json};

fn document() -> Value {
    serde_json::from_str(OPENAPI_JSON).unwrap()
}

/// Every `$ref` of a document.
pub fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                found.insert(reference.clone());
            }
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_route_is_documented_with_its_security_and_success() {
    let document = document();
    for route in REST_ROUTES {
        let operation = &document["paths"][route.template][route.verb.to_lowercase()];
        assert_eq!(operation["operationId"], route.rpc);
        let security = if route.is_open { json!([]) } else { json!([{ "access_token": [] }]) };
        assert_eq!(operation["security"], security, "{}", route.rpc);
        let success = if route.is_creating { "201" } else { "200" };
        assert!(operation["responses"][success].is_object(), "{}", route.rpc);
        assert!(operation["responses"]["default"]["content"]["application/problem+json"].is_object());
    }
    assert_eq!(document["components"]["securitySchemes"]["access_token"]["scheme"], "bearer");
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.contains("#/components/schemas/Problem"));
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

#[test]
fn names_are_those_of_the_json() {
    let document = document();
    assert!(document["components"]["schemas"]["godwit.v1.Update"]["properties"]["chat_id"].is_object());
    let parameters = &document["paths"]["/chats/{chat_id}/sync"]["get"]["parameters"];
    let names: Vec<_> = parameters.as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["chat_id", "after_seq", "limit", "epoch"]);
    assert_eq!(parameters[2]["description"], "Default 200, at most 1000.");
}

#[test]
fn the_descriptor_set_has_the_internal_services_too() {
    let pool = prost_reflect::DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    assert!(pool.get_service_by_name("godwit.auth.v1.AuthInternalService").is_some());
    assert!(pool.get_message_by_name("godwit.v1.ServerFrame").is_some());
}
