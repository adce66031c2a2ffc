//! One OpenAPI document out of the generator's documents.

use std::error::Error;
use std::fs;
use std::path::Path;

use prost_reflect::DescriptorPool;
use serde_json::{Map, Value, json};

use crate::model::Service;

/// The document as text.
pub fn document(_pool: &DescriptorPool, services: &[Service], out: &Path) -> Result<String, Box<dyn Error>> {
    let mut merged = json!({});
    for package in services.iter().map(|service| service.package.as_str()) {
        let raw: Value = serde_json::from_slice(&fs::read(out.join(format!("{package}.openapi.json")))?)?;
        merge(&mut merged, raw);
    }
    Ok(serde_json::to_string_pretty(&merged)?)
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
