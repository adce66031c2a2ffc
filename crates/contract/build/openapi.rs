//! One OpenAPI document out of the generator's documents, completed with what the generator does not know: field names
//! as our JSON has them, comments, access tokens, 201 and the problem documents of our errors.

use std::error::Error;
use std::fs;
use std::path::Path;

use prost_reflect::{DescriptorPool, MessageDescriptor};
use serde_json::{Map, Value, json};

use crate::model::{Rpc, Service, comment};

const ABOUT: &str = "The client surface of Godwit. JSON is ProtoJSON with the field names of the proto files: 64-bit \
    numbers are strings, fields with their default value are absent. Lists take `limit` and `cursor` and answer \
    `next_cursor`. Live events come over the WebSockets `/ws/me` and `/ws/{chat_id}` (subprotocols `godwit.v1.json` \
    and `godwit.v1.proto`), whose frames are described in [`/asyncapi.json`](/asyncapi.json). Answers to limited calls \
    carry `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers), refusals to come again \
    `Retry-After`.";

/// The document as text.
pub fn document(pool: &DescriptorPool, services: &[Service], out: &Path) -> Result<String, Box<dyn Error>> {
    let mut document = json!({});
    for package in services.iter().map(|service| service.package.as_str()) {
        let raw: Value = serde_json::from_slice(&fs::read(out.join(format!("{package}.openapi.json")))?)?;
        merge(&mut document, raw);
    }
    document["info"]["description"] = ABOUT.into();
    document["servers"] = json!([{ "url": "/v1" }]);
    document["tags"] =
        services.iter().map(|service| json!({ "name": service.name, "description": service.comment })).collect();
    complete_schemas(pool, &mut document)?;
    document["components"]["securitySchemes"] = json!({
        "access_token": { "type": "http", "scheme": "bearer", "bearerFormat": "PASETO v4.public" },
    });
    for service in services {
        for rpc in &service.rpcs {
            let operation = document
                .pointer_mut(&format!("/paths/{}/{}", pointer(&rpc.template), rpc.verb.to_ascii_lowercase()))
                .ok_or_else(|| format!("the generator left {} out", rpc.name))?;
            complete_operation(pool, service, rpc, operation)?;
        }
    }
    Ok(serde_json::to_string_pretty(&document)?)
}

fn complete_schemas(pool: &DescriptorPool, document: &mut Value) -> Result<(), Box<dyn Error>> {
    let schemas = document["components"]["schemas"].as_object_mut().ok_or("the generator made no schemas")?;
    // Errors are problem documents here.
    schemas.remove("google.rpc.Status");
    for (name, schema) in schemas.iter_mut() {
        if let Some(message) = pool.get_message_by_name(name) {
            describe_message(&message, schema);
        }
    }
    schemas.insert("Problem".to_owned(), problem_schema());
    Ok(())
}

fn describe_message(message: &MessageDescriptor, schema: &mut Value) {
    describe(schema, comment(message.parent_file().file_descriptor_proto(), message.path()));
    let Some(properties) = schema["properties"].as_object_mut() else { return };
    let generated = std::mem::take(properties);
    for (json_name, mut property) in generated {
        let Some(field) = message.get_field_by_json_name(&json_name) else { continue };
        describe(&mut property, comment(message.parent_file().file_descriptor_proto(), field.path()));
        properties.insert(field.name().to_owned(), property);
    }
}

fn complete_operation(
    pool: &DescriptorPool,
    service: &Service,
    rpc: &Rpc,
    operation: &mut Value,
) -> Result<(), Box<dyn Error>> {
    let input = pool.get_message_by_name(&rpc.input).ok_or("a request message is missing")?;
    operation["tags"] = json!([service.name]);
    describe(operation, rpc.comment.clone());
    operation["security"] = if rpc.is_open { json!([]) } else { json!([{ "access_token": [] }]) };
    for parameter in operation["parameters"].as_array_mut().into_iter().flatten() {
        let json_name = parameter["name"].as_str().unwrap_or_default();
        if let Some(field) = input.get_field_by_json_name(json_name).or_else(|| input.get_field_by_name(json_name)) {
            describe(parameter, comment(input.parent_file().file_descriptor_proto(), field.path()));
            parameter["name"] = field.name().into();
        }
    }
    if operation.get("requestBody").is_some() {
        operation["requestBody"]["required"] = input.fields().any(|f| rpc.path_fields().all(|p| p != f.name())).into();
    }
    let responses = operation["responses"].as_object_mut().ok_or("an operation has no responses")?;
    if rpc.is_creating {
        let created = responses.remove("200").ok_or("an operation has no success")?;
        responses.insert("201".to_owned(), created);
    }
    responses.insert("default".to_owned(), problem_response());
    Ok(())
}

fn problem_response() -> Value {
    json!({
        "description": "A refusal or failure, as RFC 9457 has it.",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    })
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "RFC 9457.",
        "required": ["type", "title", "status", "detail", "reason", "request_id"],
        "properties": {
            "type": { "type": "string", "description": "Always about:blank; reason tells the kinds apart." },
            "title": { "type": "string", "description": "The name of the HTTP status." },
            "status": { "type": "integer", "description": "The HTTP status." },
            "detail": { "type": "string", "description": "For people." },
            "reason": { "type": "string", "description": "Stable, for programs; such as CHAT_NOT_FOUND." },
            "request_id": { "type": "string", "description": "To be named in reports; also in x-request-id." },
            "retry_after_secs": { "type": "integer", "description": "When to try again; also in Retry-After." },
            "errors": {
                "type": "array",
                "description": "The fields of the request that are wrong.",
                "items": {
                    "type": "object",
                    "required": ["field", "detail"],
                    "properties": { "field": { "type": "string" }, "detail": { "type": "string" } },
                },
            },
        },
    })
}

fn describe(value: &mut Value, text: String) {
    if !text.is_empty() {
        value["description"] = text.into();
    }
}

/// A path as one step of a JSON pointer (RFC 6901).
fn pointer(template: &str) -> String {
    template.replace('~', "~0").replace('/', "~1")
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert_with(|| Value::Object(Map::new())), value);
            }
        }
        (into, from) => *into = from,
    }
}
