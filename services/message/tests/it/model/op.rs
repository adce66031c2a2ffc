use proptest::prelude::*;

use super::{CHATS, PEOPLE, SENDERS};

/// One step of a history. `pick` is a message that was acknowledged, `who` one of the people.
#[derive(Clone, Debug)]
pub enum Op {
    Send { chat: usize, sender: usize, replica: usize },
    Resend { pick: usize, replica: usize },
    Conflict { pick: usize, replica: usize },
    Burst { chat: usize, count: usize },
    Act { pick: usize, who: usize, act: Act, replica: usize },
    Read { chat: usize, who: usize, seq: u64 },
    Clear { chat: usize },
    Rejoin { is_history_hidden: bool },
    Snapshot { chat: usize },
    Event { chat: usize, replica: usize },
    Crash { chat: usize, sender: usize, count: usize },
    TimePasses,
    StreamSwitches,
    Receive { fates: u64, order: u64 },
    SyncChat { chat: usize, limit: u32 },
    SyncAccount { limit: u32, replica: usize },
}

/// What is done to a message.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    Edit,
    Reply,
    Delete,
    /// For who does it only.
    Hide,
    React(&'static str),
    Pin,
    Unpin,
}

fn act() -> impl Strategy<Value = (usize, Act)> {
    let (sender, anybody) = (0..SENDERS, 0..PEOPLE);
    let react = prop::sample::select(vec![Act::React(""), Act::React("👍"), Act::React("🎉")]);
    prop_oneof![
        2 => (sender.clone(), prop::sample::select(vec![Act::Edit, Act::Reply, Act::Delete])),
        1 => (sender, prop::sample::select(vec![Act::Pin, Act::Unpin])),
        1 => (anybody.clone(), react),
        1 => (anybody, Just(Act::Hide)),
    ]
}

/// Any step.
pub fn op() -> impl Strategy<Value = Op> {
    let (chat, sender, who, replica) = (0..CHATS, 0..SENDERS, 0..PEOPLE, 0..2_usize);
    prop_oneof![
        4 => (chat.clone(), sender.clone(), replica.clone()).prop_map(|(chat, sender, replica)| Op::Send { chat, sender, replica }),
        2 => (any::<usize>(), replica.clone()).prop_map(|(pick, replica)| Op::Resend { pick, replica }),
        1 => (any::<usize>(), replica.clone()).prop_map(|(pick, replica)| Op::Conflict { pick, replica }),
        2 => (chat.clone(), 2..12_usize).prop_map(|(chat, count)| Op::Burst { chat, count }),
        10 => (any::<usize>(), act(), replica.clone()).prop_map(|(pick, (who, act), replica)| Op::Act { pick, who, act, replica }),
        2 => (chat.clone(), who, 0..30_u64).prop_map(|(chat, who, seq)| Op::Read { chat, who, seq }),
        1 => chat.clone().prop_map(|chat| Op::Clear { chat }),
        1 => any::<bool>().prop_map(|is_history_hidden| Op::Rejoin { is_history_hidden }),
        1 => chat.clone().prop_map(|chat| Op::Snapshot { chat }),
        1 => (chat.clone(), replica.clone()).prop_map(|(chat, replica)| Op::Event { chat, replica }),
        2 => (chat.clone(), sender, 1..4_usize).prop_map(|(chat, sender, count)| Op::Crash { chat, sender, count }),
        1 => Just(Op::TimePasses),
        1 => Just(Op::StreamSwitches),
        3 => (any::<u64>(), any::<u64>()).prop_map(|(fates, order)| Op::Receive { fates, order }),
        1 => (chat, 1..6_u32).prop_map(|(chat, limit)| Op::SyncChat { chat, limit }),
        3 => (1..9_u32, replica).prop_map(|(limit, replica)| Op::SyncAccount { limit, replica }),
    ]
}
