//! Frames and events as they were when their kind was new: what old clients, old logs and old nodes wrote, in both
//! encodings, is read for ever. A recording is never changed; `GODWIT_RECORD_GOLDEN=1` adds those that are missing.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;

use godwit_contract::events::v1::{AccountEvent, LivePayload, ModerationEvent, SecurityEvent};
use godwit_contract::v1::{ClientFrame, ServerFrame, Update};
use godwit_contract::{FILE_DESCRIPTOR_SET, json};
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const RECORD: &str = "GODWIT_RECORD_GOLDEN";
/// How deep samples are filled; messages may hold messages of their own kind.
const DEPTH: usize = 6;

/// One kind of a message.
#[derive(Serialize, Deserialize)]
struct Golden {
    binary: String,
    json: serde_json::Value,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn scalar(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => Value::Bool(true),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(-3),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(-9_007_199_254_740_993),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(7),
        // JSON numbers cannot hold it.
        Kind::Uint64 | Kind::Fixed64 => Value::U64(9_007_199_254_740_993),
        Kind::Float => Value::F32(0.5),
        Kind::Double => Value::F64(0.5),
        Kind::String => Value::String("grüß \"dich\"".to_owned()),
        Kind::Bytes => Value::Bytes(vec![0, 255, 62].into()),
        Kind::Enum(names) => Value::EnumNumber(names.values().last().unwrap().number()),
        Kind::Message(_) => unreachable!("no scalar"),
    }
}

fn value(kind: &Kind, depth: usize) -> Option<Value> {
    let Kind::Message(message) = kind else { return Some(scalar(kind)) };
    if message.full_name() == "google.protobuf.Timestamp" {
        let mut at = DynamicMessage::new(message.clone());
        at.set_field_by_name("seconds", Value::I64(1_792_000_000));
        at.set_field_by_name("nanos", Value::I32(120_000_000));
        return Some(Value::Message(at));
    }
    (depth < DEPTH).then(|| Value::Message(sample(message, None, depth + 1)))
}

fn fill(message: &mut DynamicMessage, field: &FieldDescriptor, depth: usize) {
    let filled = if field.is_map() {
        let Kind::Message(entry) = field.kind() else { unreachable!("a map has entries") };
        let key = prost_reflect::MapKey::String("key".to_owned());
        value(&entry.map_entry_value_field().kind(), depth).map(|value| Value::Map([(key, value)].into()))
    } else if field.is_list() {
        value(&field.kind(), depth).map(|value| Value::List(vec![value]))
    } else {
        value(&field.kind(), depth)
    };
    if let Some(filled) = filled {
        message.set_field(field, filled);
    }
}

/// All fields set; of a choice `case`, or the first.
fn sample(descriptor: &MessageDescriptor, case: Option<&FieldDescriptor>, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        let is_chosen = field.containing_oneof().is_none_or(|choice| match case {
            Some(case) if case.containing_oneof().as_ref() == Some(&choice) => *case == field,
            _ => choice.fields().next().as_ref() == Some(&field),
        });
        if is_chosen {
            fill(&mut message, &field, depth);
        }
    }
    message
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.json"))
}

fn recorded<T: Name>() -> BTreeMap<String, Golden> {
    std::fs::read(path(&T::full_name())).map(|text| serde_json::from_slice(&text).unwrap()).unwrap_or_default()
}

fn record<T: Name + Message + Default + Serialize>(missing: Vec<FieldDescriptor>) {
    let mut all = recorded::<T>();
    for case in missing {
        let binary = sample(case.parent_message(), Some(&case), 0).encode_to_vec();
        let json = serde_json::to_value(T::decode(binary.as_slice()).unwrap()).unwrap();
        all.insert(case.name().to_owned(), Golden { binary: hex(&binary), json });
    }
    std::fs::create_dir_all(path("").parent().unwrap()).unwrap();
    std::fs::write(path(&T::full_name()), serde_json::to_string_pretty(&all).unwrap() + "\n").unwrap();
}

fn cases<T: Name>() -> Vec<FieldDescriptor> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let message = pool.get_message_by_name(&T::full_name()).unwrap();
    message.fields().filter(|field| field.containing_oneof().is_some_and(|choice| !choice.is_synthetic())).collect()
}

fn are_read<T: Name + Message + Default + PartialEq + Debug + Serialize + DeserializeOwned>() {
    let known = recorded::<T>();
    let missing: Vec<_> = cases::<T>().into_iter().filter(|case| !known.contains_key(case.name())).collect();
    if std::env::var_os(RECORD).is_some() {
        record::<T>(missing);
    } else {
        let names: Vec<_> = missing.iter().map(FieldDescriptor::name).collect();
        let how = format!("{RECORD}=1 cargo test -p godwit-contract --test it -- golden");
        assert!(names.is_empty(), "{}: {names:?} are not recorded: {how}", T::full_name());
    }
    for (name, golden) in recorded::<T>() {
        let name = format!("{} {name}", T::full_name());
        let of_binary = T::decode(unhex(&golden.binary).as_slice()).unwrap();
        let of_json: T = json::read(golden.json.to_string().as_bytes()).unwrap();
        assert_eq!(of_binary, of_json, "{name}");
        // What is written today is what was written then, so that an old peer reads it.
        assert_eq!(serde_json::to_value(&of_json).unwrap(), golden.json, "{name}");
        assert_eq!(T::decode(of_json.encode_to_vec().as_slice()).unwrap(), of_binary, "{name}");
    }
}

#[test]
fn frames_of_clients_are_read_for_ever() {
    are_read::<ClientFrame>();
}

#[test]
fn frames_of_servers_are_read_for_ever() {
    are_read::<ServerFrame>();
}

#[test]
fn updates_in_logs_are_read_for_ever() {
    are_read::<Update>();
}

#[test]
fn events_are_read_for_ever() {
    are_read::<LivePayload>();
    are_read::<AccountEvent>();
    are_read::<SecurityEvent>();
    are_read::<ModerationEvent>();
}
