//! Every RPC of clients in every relation to a chat. What members may do is by the chat service's own table of rights.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, stream};
use godwit_contract::message::v1 as api;
use godwit_contract::rpcs::RPCS;
use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, UserId};
use tonic::Status;

use crate::forward::forward;
use crate::harness::{Bed, Client, Replica, reason, user};
use crate::reports::report;
use crate::scheduled::{self, ahead, schedule};

/// What somebody is to the chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Owner,
    Admin,
    Member,
    /// A member of a group in which only admins post by now.
    Reader,
    ChannelOwner,
    ChannelAdmin,
    /// Was an admin before.
    Subscriber,
    /// One of two.
    Peer,
    /// One of two, who blocks the other or is blocked.
    Blocked,
    Banned,
    Left,
    Stranger,
    /// Of another chat.
    OtherAdmin,
}

const RELATIONS: [Relation; 13] = [
    Relation::Owner,
    Relation::Admin,
    Relation::Member,
    Relation::Reader,
    Relation::ChannelOwner,
    Relation::ChannelAdmin,
    Relation::Subscriber,
    Relation::Peer,
    Relation::Blocked,
    Relation::Banned,
    Relation::Left,
    Relation::Stranger,
    Relation::OtherAdmin,
];

impl Relation {
    const fn kind(self) -> pb::ChatKind {
        match self {
            Self::ChannelOwner | Self::ChannelAdmin | Self::Subscriber => pb::ChatKind::Channel,
            Self::Peer | Self::Blocked => pb::ChatKind::Direct,
            _ => pb::ChatKind::Group,
        }
    }
}

/// What a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// The chat, or what another wrote or scheduled in it.
    Theirs,
    /// What the caller wrote or scheduled in the chat while they could.
    Own,
    /// What another wrote, for the caller alone.
    TheirsForOneself,
    /// What the caller wrote in another chat.
    Elsewhere,
}

/// The answers of one RPC; empty where it does what it is asked.
struct Row {
    rpc: &'static str,
    about: About,
    /// In the order of [`RELATIONS`], up to who is blocked.
    members: [&'static str; 9],
    /// To the others.
    outsiders: [&'static str; 4],
}

const fn row(rpc: &'static str, about: About, members: [&'static str; 9], outsiders: [&'static str; 4]) -> Row {
    Row { rpc, about, members, outsiders }
}

const YES: &str = "";
const QUIET: &str = "POSTING_NOT_ALLOWED";
const BLOCK: &str = "BLOCKED";
const EDIT: &str = "EDIT_NOT_ALLOWED";
const DELETE: &str = "DELETION_NOT_ALLOWED";
const PIN: &str = "PINNING_NOT_ALLOWED";
const REACT: &str = "REACTION_NOT_ALLOWED";
const NONE: &str = "SCHEDULED_NOT_FOUND";
/// Sync refuses nobody, and does not give the chat.
const NOT_GIVEN: &str = "NOT_GIVEN";

const ALL: [&str; 9] = [YES; 9];
/// Who may not see a thing is told that there is none.
const NO_CHAT: [&str; 4] = ["CHAT_NOT_FOUND"; 4];
const NO_MESSAGE: [&str; 4] = ["MESSAGE_NOT_FOUND"; 4];

// Of a group: owner, admin, member, reader; of a channel: owner, admin, subscriber; one of two, and one who is blocked.
const POSTING: [&str; 9] = [YES, YES, YES, QUIET, YES, YES, QUIET, YES, BLOCK];
const EDITING: [&str; 9] = [EDIT, EDIT, EDIT, QUIET, EDIT, EDIT, QUIET, EDIT, BLOCK];
const DELETING: [&str; 9] = [YES, YES, DELETE, DELETE, YES, YES, DELETE, YES, DELETE];
const PINNING: [&str; 9] = [YES, YES, PIN, PIN, YES, YES, PIN, YES, PIN];
const REACTING: [&str; 9] = [YES, YES, YES, YES, YES, YES, YES, YES, REACT];
const REACTIONS: [&str; 9] = [YES, YES, YES, YES, YES, YES, "REACTIONS_HIDDEN", YES, YES];
const RECEIPTS: [&str; 9] = [YES, YES, YES, YES, YES, YES, "RECEIPTS_HIDDEN", YES, YES];

const TABLE: &[Row] = &[
    row("SendMessage", About::Theirs, POSTING, NO_CHAT),
    row("SendMessages", About::Theirs, POSTING, NO_CHAT),
    row("ForwardMessages", About::Theirs, ALL, NO_MESSAGE),
    row("ForwardMessages", About::Elsewhere, POSTING, NO_CHAT),
    row("ListMessages", About::Theirs, ALL, NO_CHAT),
    row("GetMessage", About::Theirs, ALL, NO_MESSAGE),
    row("GetMessageHistory", About::Theirs, ALL, NO_MESSAGE),
    row("ReportMessage", About::Theirs, ALL, NO_MESSAGE),
    row("EditMessage", About::Theirs, EDITING, NO_MESSAGE),
    row("EditMessage", About::Own, POSTING, NO_MESSAGE),
    row("DeleteMessage", About::Theirs, DELETING, NO_MESSAGE),
    row("DeleteMessage", About::Own, ALL, NO_MESSAGE),
    row("DeleteMessage", About::TheirsForOneself, ALL, NO_MESSAGE),
    row("SetReaction", About::Theirs, REACTING, NO_MESSAGE),
    // Who may not react any more may still take back what they gave.
    row("RemoveReaction", About::Theirs, ALL, NO_MESSAGE),
    row("ListReactions", About::Theirs, REACTIONS, NO_MESSAGE),
    row("MarkRead", About::Theirs, ALL, NO_CHAT),
    row("MarkMessageRead", About::Theirs, ALL, NO_MESSAGE),
    row("MarkDelivered", About::Theirs, ALL, NO_CHAT),
    row("GetReceipts", About::Theirs, RECEIPTS, NO_MESSAGE),
    row("GetReceipts", About::Own, RECEIPTS, NO_MESSAGE),
    row("PinMessage", About::Theirs, PINNING, NO_MESSAGE),
    row("UnpinMessage", About::Theirs, PINNING, NO_MESSAGE),
    row("ListPins", About::Theirs, ALL, NO_CHAT),
    row("ClearHistory", About::Theirs, ALL, NO_CHAT),
    row("SyncChat", About::Theirs, ALL, NO_CHAT),
    row("Sync", About::Theirs, ALL, [NOT_GIVEN; 4]),
    row("ScheduleMessage", About::Theirs, POSTING, NO_CHAT),
    row("ListScheduled", About::Theirs, ALL, NO_CHAT),
    row("UpdateScheduled", About::Theirs, [NONE; 9], [NONE; 4]),
    row("DeleteScheduled", About::Theirs, [NONE; 9], [NONE; 4]),
    // What is scheduled stays its sender's also when they are out; whether it may be sent is asked when it is due.
    row("UpdateScheduled", About::Own, ALL, [YES, YES, NONE, NONE]),
    row("DeleteScheduled", About::Own, ALL, [YES, YES, NONE, NONE]),
];

/// What other services ask for a client.
const FOR_CLIENTS: [&str; 2] = ["ClearHistory", "SendMessages"];

/// What somebody has written in a chat, and what they have scheduled there.
#[derive(Clone)]
struct Written {
    message_id: String,
    scheduled_id: String,
}

impl Written {
    async fn by(client: &Client, chat_id: ChatId) -> Self {
        let sent = client.send(chat_id, "m", "hi").await.unwrap();
        let later = scheduled::request(chat_id, "later", "hi", ahead(600_000));
        let scheduled = schedule(client, later).await.unwrap();
        Self { message_id: sent.id, scheduled_id: scheduled.id }
    }
}

/// A chat, and the caller's place in it.
struct Scene {
    chat_id: ChatId,
    theirs: Written,
    /// Another's where the caller could never write.
    own: Written,
    /// Another chat of the caller, and what they wrote there.
    other_chat_id: ChatId,
    elsewhere: String,
    /// From before the chat began.
    cursor: String,
    caller: Client,
}

/// The first replica sets the scene, so that the second one, which is asked, remembers nothing of the caller.
async fn scene(bed: &Bed, [first, second]: &[Replica; 2], relation: Relation) -> Scene {
    let (owner, writer, caller) = (user(), user(), user());
    let members: Vec<UserId> = match relation {
        Relation::Owner | Relation::ChannelOwner => vec![caller, writer],
        Relation::Peer | Relation::Blocked => vec![writer, caller],
        Relation::Stranger | Relation::OtherAdmin => vec![owner, writer],
        _ => vec![owner, writer, caller],
    };
    let own_client = first.client(caller);
    let cursor = own_client.sync("", 0).await.unwrap().next_cursor;
    let chat_id = bed.chat_as(first, relation.kind(), &members).await;
    if relation.kind() != pb::ChatKind::Direct {
        bed.chats.promote(chat_id, writer);
    }
    if matches!(relation, Relation::Admin | Relation::ChannelAdmin | Relation::Subscriber) {
        bed.chats.promote(chat_id, caller);
    }
    let theirs = Written::by(&first.client(writer), chat_id).await;
    let own = if members.contains(&caller) { Written::by(&own_client, chat_id).await } else { theirs.clone() };
    let other_chat_id = bed.chat(first, &[caller, user()]).await;
    let elsewhere = own_client.send(other_chat_id, "m", "hi").await.unwrap().id;
    match relation {
        Relation::Reader => drop(bed.chats.silence(chat_id)),
        Relation::Subscriber => drop(bed.chats.demote(chat_id, caller)),
        Relation::Blocked => drop(bed.chats.set_blocked(chat_id, true)),
        Relation::Banned => bed.ban(first, chat_id, caller).await,
        Relation::Left => bed.leave(first, chat_id, caller).await,
        Relation::OtherAdmin => {
            let group = bed.chat_as(first, pb::ChatKind::Group, &[user(), caller]).await;
            bed.chats.promote(group, caller);
        }
        _ => {}
    }
    Scene { chat_id, theirs, own, other_chat_id, elsewhere, cursor, caller: second.client(caller) }
}

fn said<T>(answer: Result<T, Status>) -> String {
    answer.err().map(|status| reason(&status)).unwrap_or_default()
}

async fn call(rpc: &str, about: About, scene: &Scene) -> String {
    let (client, chat_id) = (&scene.caller, scene.chat_id);
    let id = if about == About::Own { &scene.own.message_id } else { &scene.theirs.message_id };
    match rpc {
        "SendMessage" => said(client.send(chat_id, "x", "hi").await),
        "SendMessages" => match client.send_together(chat_id, &[("y", "hi")]).await {
            Ok(results) => results.into_iter().find_map(Result::err).map(|failure| failure.reason).unwrap_or_default(),
            Err(status) => reason(&status),
        },
        "ForwardMessages" if about == About::Elsewhere => forwarded(client, &scene.elsewhere, chat_id).await,
        "ForwardMessages" => forwarded(client, id, scene.other_chat_id).await,
        "ListMessages" => {
            let list = api::ListMessagesRequest { chat_id: chat_id.to_string(), ..Default::default() };
            said(client.list(list).await)
        }
        "GetMessage" => said(client.get(id).await),
        "GetMessageHistory" => said(client.history(id).await),
        "ReportMessage" => said(report(client, id, 1, "").await),
        "EditMessage" => said(client.edit(id, "changed").await),
        "DeleteMessage" if about == About::TheirsForOneself => said(client.hide(id).await),
        "DeleteMessage" => said(client.delete(id).await),
        "SetReaction" => said(client.react(id, "👍").await),
        "RemoveReaction" => said(client.react(id, "").await),
        "ListReactions" => {
            let list = api::ListReactionsRequest { message_id: id.clone(), ..Default::default() };
            said(client.reactions(list).await)
        }
        "MarkRead" => said(client.read(chat_id, 1).await),
        "MarkMessageRead" => said(client.read_message(id).await),
        "MarkDelivered" => said(client.deliver(chat_id, 1).await),
        "GetReceipts" => said(client.receipts(id).await),
        "PinMessage" => said(client.pin(chat_id, id).await),
        "UnpinMessage" => said(client.unpin(chat_id, id).await),
        "ListPins" => said(client.pins(chat_id).await),
        "ClearHistory" => said(client.clear(chat_id).await),
        "SyncChat" => said(client.sync_chat(chat_id, 0, 0, "").await),
        "Sync" => {
            let (pages, _) = client.sync_all(&scene.cursor, 100).await;
            let is_given = pages.iter().any(|page| page.chat_id == chat_id.to_string());
            if is_given { YES.to_owned() } else { NOT_GIVEN.to_owned() }
        }
        _ => call_scheduled(rpc, about, scene).await,
    }
}

async fn call_scheduled(rpc: &str, about: About, scene: &Scene) -> String {
    let (client, chat_id) = (&scene.caller, scene.chat_id);
    let id = if about == About::Own { &scene.own.scheduled_id } else { &scene.theirs.scheduled_id };
    match rpc {
        "ScheduleMessage" => said(schedule(client, scheduled::request(chat_id, "another", "hi", ahead(600_000))).await),
        "ListScheduled" => said(scheduled::list(client, chat_id).await),
        "UpdateScheduled" => {
            let text = Some("changed".to_owned());
            let request = api::UpdateScheduledRequest { scheduled_id: id.clone(), text, ..Default::default() };
            said(scheduled::update(client, request).await)
        }
        "DeleteScheduled" => said(scheduled::delete(client, id).await),
        other => panic!("the table does not call {other}"),
    }
}

async fn forwarded(client: &Client, message_id: &str, chat_id: ChatId) -> String {
    match forward(client, "f", &[message_id], &[chat_id]).await {
        Ok(results) => results[0].failure.clone(),
        Err(status) => reason(&status),
    }
}

#[test]
fn every_rpc_of_clients_is_in_the_table_and_nothing_else() {
    let of_message = RPCS.iter().filter(|rpc| rpc.service.starts_with("godwit.message.v1."));
    let of_clients = of_message.filter(|rpc| !rpc.service.ends_with("InternalService"));
    let rpcs: BTreeSet<&str> = of_clients.map(|rpc| rpc.method).chain(FOR_CLIENTS).collect();
    let rows: BTreeSet<&str> = TABLE.iter().map(|row| row.rpc).collect();
    assert_eq!(rows, rpcs);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_answered_to_every_relation_as_the_table_says() {
    let bed = &Bed::new().await;
    let replicas = &[bed.replica(), bed.replica()];
    let mut cells = Vec::new();
    for row in TABLE {
        let answers = row.members.into_iter().chain(row.outsiders);
        cells.extend(RELATIONS.into_iter().zip(answers).map(|(relation, expected)| (row, relation, expected)));
    }
    assert_eq!(cells.len(), TABLE.len() * RELATIONS.len());
    let wrong: Vec<Option<String>> = stream::iter(cells)
        .map(|(row, relation, expected)| async move {
            let scene = scene(bed, replicas, relation).await;
            let answer = call(row.rpc, row.about, &scene).await;
            let Row { rpc, about, .. } = row;
            (answer != expected).then(|| format!("{rpc} of {about:?} by {relation:?}: {answer:?}, not {expected:?}"))
        })
        .buffer_unordered(6)
        .collect()
        .await;
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
