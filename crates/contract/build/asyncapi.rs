//! The AsyncAPI 3.0 document of the WebSocket protocol, from the same descriptors as everything else.

use std::collections::BTreeMap;
use std::error::Error;

use prost_reflect::{DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use crate::model::{comment, enum_comment, field_comment, message_comment};

const ABOUT: &str = "Live events and requests over one WebSocket. With the subprotocol `godwit.v1.json` (the default) a \
    frame is one JSON object in a text frame, with `godwit.v1.proto` one encoded message in a binary frame. Each has an \
    `id`, which the answer repeats, and one kind. JSON is ProtoJSON with the field names of the proto files: 64-bit \
    numbers are strings, fields with their default value are absent. Unknown fields are ignored; an unknown kind is \
    answered by an error with the reason UNKNOWN_FRAME. A client frame has at most 64 KiB.\n\nThe first frame of the \
    server is `connected`. Updates of a chat carry `seq` 1, 2, 3 and so on: a client that misses one gets it by `sync`, \
    by `GET /chats/{id}/sync` or by `POST /sync`, and does so after `resync`.";

/// As `Close` of the gateway has them; a test of it compares both.
const CLOSE_CODES: &[(u16, &str)] = &[
    (1002, "The client broke the WebSocket protocol."),
    (1007, "A text frame was not UTF-8."),
    (1012, "The server restarts: connect again, after the pause of its `reconnect` frame."),
    (1013, "The server cannot serve this now: try again later."),
    (4401, "There is no access token, it is not valid any more, or its session ended."),
    (4403, "The chat is not the caller's, or not any more."),
    (4408, "The client reads too slowly, or gave no sign of life."),
    (4409, "The user opened more WebSockets than they may; this was the oldest."),
    (4413, "A frame was over the limit."),
    (4429, "The client sent too many frames."),
];

/// The document as text.
pub fn document(pool: &DescriptorPool, version: &str) -> Result<String, Box<dyn Error>> {
    let message = |name: &str| pool.get_message_by_name(name).ok_or_else(|| format!("{name} is missing"));
    let (client, server) = (message("godwit.v1.ClientFrame")?, message("godwit.v1.ServerFrame")?);
    let mut schemas = BTreeMap::new();
    let mut messages = Map::new();
    for frame in [&client, &server] {
        for case in kinds(frame) {
            messages.insert(message_name(frame, &case), kind(frame, &case, &mut schemas));
        }
    }
    let all: Map<_, _> = messages.keys().map(|name| (name.clone(), reference("messages", name))).collect();
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Godwit",
            "version": version,
            "description": format!("{ABOUT}\n\n{}", close_codes()),
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": { "gateway": server_object() },
        "channels": {
            "me": channel("/ws/me", "All of the caller's chats, and what concerns the caller.", &all, &Value::Null),
            "chat": channel("/ws/{chat_id}", "One chat of the caller.", &all, &json!({
                "chat_id": { "description": "A chat that the caller is a member of." },
            })),
        },
        "operations": operations(&client, &server),
        "components": {
            "messages": messages,
            "schemas": schemas,
            "securitySchemes": security_schemes(),
        },
    });
    Ok(serde_json::to_string_pretty(&document)?)
}

fn server_object() -> Value {
    let schemes = security_schemes();
    let names = schemes.as_object().map(|schemes| schemes.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    json!({
        "host": "{host}",
        "protocol": "wss",
        "pathname": "/v1",
        "description": "Also without /v1.",
        "variables": { "host": { "description": "Where the REST API is.", "default": "localhost:8080" } },
        "security": names.iter().map(|name| reference("securitySchemes", name)).collect::<Vec<_>>(),
    })
}

fn security_schemes() -> Value {
    json!({
        "header": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "PASETO v4.public",
            "description": "An access token in `Authorization`.",
        },
        "subprotocol": {
            "type": "httpApiKey",
            "in": "header",
            "name": "Sec-WebSocket-Protocol",
            "description": "For browsers: `bearer.<access token>` beside the subprotocol of the frames.",
        },
        "query": {
            "type": "httpApiKey",
            "in": "query",
            "name": "token",
            "description": "An access token, where neither header can be set; URLs get into logs.",
        },
    })
}

fn close_codes() -> String {
    let lines = CLOSE_CODES.iter().map(|(code, meaning)| format!("* {code}: {meaning}"));
    format!("Close codes:\n\n{}", lines.collect::<Vec<_>>().join("\n"))
}

fn channel(address: &str, about: &str, messages: &Map<String, Value>, parameters: &Value) -> Value {
    let codes: BTreeMap<_, _> = CLOSE_CODES.iter().map(|(code, meaning)| (code.to_string(), *meaning)).collect();
    let mut channel = json!({
        "address": address,
        "description": about,
        "messages": messages,
        "bindings": { "ws": {
            "method": "GET",
            "headers": { "type": "object", "properties": { "Sec-WebSocket-Protocol": {
                "type": "string",
                "enum": ["godwit.v1.json", "godwit.v1.proto"],
                "default": "godwit.v1.json",
            } } },
            "bindingVersion": "0.1.0",
        } },
        "x-close-codes": codes,
        "x-frame-bytes-max": 64 * 1024,
    });
    if parameters.is_object() {
        channel["parameters"] = parameters.clone();
    }
    channel
}

/// What a client sends is what the server receives; the document tells the server's side.
fn operations(client: &MessageDescriptor, server: &MessageDescriptor) -> Value {
    let mut operations = Map::new();
    for (channel, suffix) in [("me", ""), ("chat", "_of_chat")] {
        for (frame, action, name) in [(client, "receive", "take"), (server, "send", "tell")] {
            let messages: Vec<_> = kinds(frame)
                .map(|case| json!({ "$ref": format!("#/channels/{channel}/messages/{}", message_name(frame, &case)) }))
                .collect();
            let operation = json!({
                "action": action,
                "channel": { "$ref": format!("#/channels/{channel}") },
                "summary": message_comment(frame),
                "messages": messages,
            });
            operations.insert(format!("{name}{suffix}"), operation);
        }
    }
    operations.into()
}

/// The fields of the choice of a frame.
fn kinds(frame: &MessageDescriptor) -> impl Iterator<Item = FieldDescriptor> {
    frame.oneofs().filter(|choice| !choice.is_synthetic()).flat_map(|choice| choice.fields().collect::<Vec<_>>())
}

fn message_name(frame: &MessageDescriptor, case: &FieldDescriptor) -> String {
    format!("{}.{}", if frame.name() == "ClientFrame" { "client" } else { "server" }, case.name())
}

fn kind(frame: &MessageDescriptor, case: &FieldDescriptor, schemas: &mut BTreeMap<String, Value>) -> Value {
    let mut properties = Map::new();
    for field in frame.fields().filter(|field| field.containing_oneof().is_none()) {
        properties.insert(field.name().to_owned(), field_schema(&field, schemas));
    }
    properties.insert(case.name().to_owned(), field_schema(case, schemas));
    let about = match (field_comment(case), case.kind()) {
        (about, Kind::Message(message)) if about.is_empty() => message_comment(&message),
        (about, _) => about,
    };
    let mut message = json!({
        "name": case.name(),
        "contentType": "application/json",
        "payload": { "type": "object", "required": [case.name()], "properties": properties },
    });
    describe(&mut message, about);
    message
}

/// A field as ProtoJSON writes it.
fn field_schema(field: &FieldDescriptor, schemas: &mut BTreeMap<String, Value>) -> Value {
    let kind = field.kind();
    let mut schema = match &kind {
        Kind::Message(entry) if field.is_map() => {
            json!({ "type": "object", "additionalProperties": kind_schema(&entry.map_entry_value_field().kind(), schemas) })
        }
        kind if field.is_list() => json!({ "type": "array", "items": kind_schema(kind, schemas) }),
        kind => kind_schema(kind, schemas),
    };
    let about = field_comment(field);
    // JSON Schema draft 7, which AsyncAPI builds on, ignores what stands beside a reference.
    if !about.is_empty() && schema.get("$ref").is_some() {
        schema = json!({ "allOf": [schema] });
    }
    describe(&mut schema, about);
    schema
}

fn kind_schema(kind: &Kind, schemas: &mut BTreeMap<String, Value>) -> Value {
    match kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({ "type": "integer", "format": "int32" }),
        Kind::Uint32 | Kind::Fixed32 => json!({ "type": "integer", "format": "uint32", "minimum": 0 }),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            json!({ "type": "string", "format": "int64", "pattern": "^-?[0-9]+$" })
        }
        Kind::Uint64 | Kind::Fixed64 => json!({ "type": "string", "format": "uint64", "pattern": "^[0-9]+$" }),
        Kind::Float | Kind::Double => json!({ "type": "number" }),
        Kind::String => json!({ "type": "string" }),
        Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Kind::Enum(names) => {
            let name = names.full_name().to_owned();
            if !schemas.contains_key(&name) {
                schemas.insert(name.clone(), enum_schema(names));
            }
            reference("schemas", &name)
        }
        Kind::Message(message) => message_schema(message, schemas),
    }
}

fn message_schema(message: &MessageDescriptor, schemas: &mut BTreeMap<String, Value>) -> Value {
    match message.full_name() {
        "google.protobuf.Timestamp" => return json!({ "type": "string", "format": "date-time" }),
        "google.protobuf.Duration" => return json!({ "type": "string", "pattern": "^-?[0-9]+(\\.[0-9]+)?s$" }),
        _ => {}
    }
    let name = message.full_name().to_owned();
    if !schemas.contains_key(&name) {
        // First, so that a message that holds its own kind ends.
        schemas.insert(name.clone(), Value::Null);
        let properties: Map<_, _> =
            message.fields().map(|field| (field.name().to_owned(), field_schema(&field, schemas))).collect();
        let mut schema = json!({ "type": "object", "properties": properties });
        describe(&mut schema, message_comment(message));
        schemas.insert(name.clone(), schema);
    }
    reference("schemas", &name)
}

fn enum_schema(names: &EnumDescriptor) -> Value {
    let all: Vec<_> = names.values().map(|value| value.name().to_owned()).collect();
    let mut schema = json!({ "type": "string", "enum": all });
    let file = names.parent_file();
    let lines = names.values().filter_map(|value| {
        let about = comment(file.file_descriptor_proto(), value.path());
        (!about.is_empty()).then(|| format!("* {}: {about}", value.name()))
    });
    let parts = [enum_comment(names), lines.collect::<Vec<_>>().join("\n")];
    describe(&mut schema, parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n"));
    schema
}

fn describe(value: &mut Value, about: String) {
    if !about.is_empty() {
        value["description"] = about.into();
    }
}

fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}
