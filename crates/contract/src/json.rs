//! ProtoJSON of a peer that may be newer.
//!
//! The generated readers refuse members and enum names that they do not know, which is right for REST requests: a
//! client finds its typing errors. Who reads what a newer release wrote must ignore them instead, as the binary
//! encoding does (ProtoJSON, "JSON parsers should ignore unknown fields").

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Without comments: a phone reads it, too.
static MESSAGES: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(include_bytes!(concat!(env!("OUT_DIR"), "/messages.bin")).as_slice()).ok());

/// Reads a message; what this version of the contract does not know in it is ignored. An unknown name of an enum counts
/// as not set.
///
/// What is all known is read once and costs nothing more. Else the text is read again without what is unknown.
///
/// # Errors
/// When it is no such message, also without what is unknown.
pub fn read<T: DeserializeOwned + prost::Name>(json: &[u8]) -> Result<T, serde_json::Error> {
    let error = match serde_json::from_slice(json) {
        Ok(message) => return Ok(message),
        // Nothing unknown breaks the syntax.
        Err(error) if !error.is_data() => return Err(error),
        Err(error) => error,
    };
    let Some(message) = MESSAGES.as_ref().and_then(|messages| messages.get_message_by_name(&T::full_name())) else {
        return Err(error);
    };
    let mut value: Value = serde_json::from_slice(json)?;
    strip_message(&message, &mut value);
    serde_json::from_value(value)
}

/// Takes out what is unknown; as deep as the text was, which the parser has bounded.
fn strip_message(message: &MessageDescriptor, value: &mut Value) {
    // These have forms of their own in JSON, which never grow.
    if message.package_name() == "google.protobuf" {
        return;
    }
    let Some(members) = value.as_object_mut() else { return };
    members.retain(|name, member| {
        let field = message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name));
        field.is_some_and(|field| strip_field(&field, member))
    });
}

/// Whether the field can stay.
fn strip_field(field: &FieldDescriptor, value: &mut Value) -> bool {
    match (value, field.kind()) {
        (Value::Object(entries), Kind::Message(entry)) if field.is_map() => {
            let kind = entry.map_entry_value_field().kind();
            entries.retain(|_, value| strip_value(&kind, value));
            true
        }
        (Value::Array(values), kind) if field.is_list() => {
            values.retain_mut(|value| strip_value(&kind, value));
            true
        }
        (value, kind) => strip_value(&kind, value),
    }
}

/// Whether the value can stay.
fn strip_value(kind: &Kind, value: &mut Value) -> bool {
    match kind {
        Kind::Message(message) => {
            strip_message(message, value);
            true
        }
        // Numbers are taken whatever they are, as in the binary encoding.
        Kind::Enum(names) => value.as_str().is_none_or(|name| names.get_value_by_name(name).is_some()),
        _ => true,
    }
}
