use std::collections::BTreeSet;
use std::fmt;

use deadpool_redis::redis::Value;

/// How many slots a cluster's keys are spread over (Redis Cluster specification, "Key distribution model").
const SLOT_COUNT: u16 = 16_384;

/// A Redis server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SlotRange {
    first: u16,
    last: u16,
    master: Address,
}

/// Which server holds which keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Topology {
    /// Ordered, without overlap.
    ranges: Vec<SlotRange>,
}

impl Topology {
    /// One server that holds everything.
    pub(super) fn single(server: Address) -> Self {
        Self { ranges: vec![SlotRange { first: 0, last: SLOT_COUNT - 1, master: server }] }
    }

    /// Reads the answer of `CLUSTER SLOTS` that `asked` gave; `None` when it is not one.
    pub(super) fn parse(answer: &Value, asked: &Address) -> Option<Self> {
        let Value::Array(entries) = answer else { return None };
        let mut ranges = entries.iter().map(|entry| parse_range(entry, asked)).collect::<Option<Vec<_>>>()?;
        ranges.sort_by_key(|range| range.first);
        Some(Self { ranges })
    }

    /// The server that holds this key or channel; `None` while nobody does.
    pub(super) fn server_of(&self, key: &str) -> Option<&Address> {
        if let [only] = self.ranges.as_slice() {
            return Some(&only.master);
        }
        let slot = slot_of(key.as_bytes());
        let following = self.ranges.partition_point(|range| range.first <= slot);
        let range = self.ranges.get(following.checked_sub(1)?)?;
        (slot <= range.last).then_some(&range.master)
    }

    pub(super) fn servers(&self) -> BTreeSet<&Address> {
        self.ranges.iter().map(|range| &range.master).collect()
    }
}

/// `[first, last, [host, port, id, …], replicas …]`
fn parse_range(entry: &Value, asked: &Address) -> Option<SlotRange> {
    let Value::Array(fields) = entry else { return None };
    let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = fields.as_slice() else { return None };
    let [host, Value::Int(port), ..] = master.as_slice() else { return None };
    let host = match host {
        Value::BulkString(host) if !host.is_empty() => String::from_utf8(host.clone()).ok()?,
        // A node that does not know its own name means: the one you asked me by.
        Value::BulkString(_) | Value::Nil => asked.host.clone(),
        _ => return None,
    };
    let master = Address { host, port: u16::try_from(*port).ok()? };
    Some(SlotRange { first: u16::try_from(*first).ok()?, last: u16::try_from(*last).ok()?, master })
}

fn slot_of(key: &[u8]) -> u16 {
    crc16(hash_tag(key).unwrap_or(key)) % SLOT_COUNT
}

/// What stands between the first `{` and the next `}`, when that is not empty.
fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|byte| *byte == b'{')?;
    let (_, tail) = key.split_at_checked(open + 1)?;
    let close = tail.iter().position(|byte| *byte == b'}')?;
    tail.split_at_checked(close).map(|(tag, _)| tag).filter(|tag| !tag.is_empty())
}

/// CRC-16/XMODEM: polynomial 0x1021, from zero, not reflected.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(
            crc ^ (u16::from(*byte) << 8),
            |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(port: u16) -> Address {
        Address { host: "127.0.0.1".to_owned(), port }
    }

    fn range(first: i64, last: i64, host: Value, port: i64) -> Value {
        let master = vec![host, Value::Int(port), Value::BulkString(b"id".to_vec()), Value::Array(Vec::new())];
        Value::Array(vec![Value::Int(first), Value::Int(last), Value::Array(master)])
    }

    #[test]
    fn slots_are_those_of_redis() {
        // The check value of the CRC catalogue, and `CLUSTER KEYSLOT` of Redis 7.0.
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(slot_of(b"somekey"), 11_058);
        assert_eq!(slot_of(b"foo{hash_tag}"), 2_515);
        assert_eq!(slot_of(b"bar{hash_tag}{x}"), 2_515);
        assert_eq!(slot_of(b"foo{}{hash_tag}"), crc16(b"foo{}{hash_tag}") % SLOT_COUNT);
    }

    #[test]
    fn a_key_is_found_at_the_master_of_its_slot() {
        let host = || Value::BulkString(b"127.0.0.1".to_vec());
        let answer = Value::Array(vec![range(8_000, 16_383, host(), 2), range(0, 7_000, Value::Nil, 1)]);
        let topology = Topology::parse(&answer, &server(9)).unwrap();
        assert_eq!(topology.server_of("foo{hash_tag}"), Some(&server(1)));
        assert_eq!(topology.server_of("somekey"), Some(&server(2)));
        let (between, _) = (0..).map(|n| (format!("k{n}"), n)).find(|(k, _)| slot_of(k.as_bytes()) == 7_500).unwrap();
        assert_eq!(topology.server_of(&between), None);
        assert_eq!(topology.servers().len(), 2);
    }

    #[test]
    fn other_answers_are_refused() {
        let bad_port = Value::Array(vec![range(0, 1, Value::Nil, 70_000)]);
        for answer in [Value::Nil, Value::Array(vec![Value::Int(1)]), bad_port] {
            assert_eq!(Topology::parse(&answer, &server(1)), None);
        }
    }
}
