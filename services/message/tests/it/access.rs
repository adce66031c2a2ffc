//! Who may call what on a chat's messages: every RPC for every relation to the chat.

use godwit_contract::message::v1 as api;
use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, UserId};
use tonic::Status;

use crate::harness::{Bed, Client, Replica, reason, user};

/// What somebody is to the chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Admin,
    Member,
    /// A member who may only read.
    Reader,
    Subscriber,
    ChannelAdmin,
    /// One of two, who blocks the other or is blocked.
    Blocked,
    Left,
    Stranger,
    /// Of another chat.
    OtherAdmin,
}

const RELATIONS: [Relation; 9] = [
    Relation::Admin,
    Relation::Member,
    Relation::Reader,
    Relation::Subscriber,
    Relation::ChannelAdmin,
    Relation::Blocked,
    Relation::Left,
    Relation::Stranger,
    Relation::OtherAdmin,
];

#[derive(Clone, Copy, Debug)]
enum Rpc {
    Send,
    SendTogether,
    List,
    Get,
    History,
    EditOthers,
    DeleteOthers,
    Hide,
    React,
    Unreact,
    ListReactions,
    Read,
    ReadMessage,
    Deliver,
    Receipts,
    Pin,
    Unpin,
    ListPins,
    Clear,
    SyncChat,
}

/// What is answered to the relations in their order; `.` is yes.
#[rustfmt::skip]
const TABLE: [(Rpc, [&str; 9]); 20] = [
    //                     admin  member  reader                  subscriber              channel admin  blocked  left    stranger  other admin
    (Rpc::Send,          [".",    ".",    "POSTING_NOT_ALLOWED",  "POSTING_NOT_ALLOWED",  ".", "BLOCKED", NO_CHAT, NO_CHAT, NO_CHAT]),
    (Rpc::SendTogether,  [".",    ".",    "POSTING_NOT_ALLOWED",  "POSTING_NOT_ALLOWED",  ".", "BLOCKED", NO_CHAT, NO_CHAT, NO_CHAT]),
    (Rpc::List,          [".",    ".",    ".",                    ".",                    ".", ".", NO_CHAT, NO_CHAT, NO_CHAT]),
    (Rpc::Get,           [".",    ".",    ".",                    ".",                    ".", ".", NO, NO, NO]),
    (Rpc::History,       [".",    ".",    ".",                    ".",                    ".", ".", NO, NO, NO]),
    (Rpc::EditOthers,    ["EDIT_NOT_ALLOWED", "EDIT_NOT_ALLOWED", "POSTING_NOT_ALLOWED", "POSTING_NOT_ALLOWED", "EDIT_NOT_ALLOWED", "BLOCKED", NO, NO, NO]),
    (Rpc::DeleteOthers,  [".", "DELETION_NOT_ALLOWED", "DELETION_NOT_ALLOWED", "DELETION_NOT_ALLOWED", ".", ".", NO, NO, NO]),
    (Rpc::Hide,          [".",    ".",    ".",                    ".",                    ".", ".", NO, NO, NO]),
    (Rpc::React,         [".",    ".",    "REACTION_NOT_ALLOWED", ".",                    ".", "REACTION_NOT_ALLOWED", NO, NO, NO]),
    (Rpc::Unreact,       [".",    ".",    ".",                    ".",                    ".", ".", NO, NO, NO]),
    (Rpc::ListReactions, [".",    ".",    ".",                    "REACTIONS_HIDDEN",     ".", ".", NO, NO, NO]),
    (Rpc::Read,          [".",    ".",    ".",                    ".",                    ".", ".", NO_CHAT, NO_CHAT, NO_CHAT]),
    (Rpc::ReadMessage,   [".",    ".",    ".",                    ".",                    ".", ".", NO, NO, NO]),
    (Rpc::Deliver,       [".",    ".",    ".",                    ".",                    ".", ".", NO_CHAT, NO_CHAT, NO_CHAT]),
    (Rpc::Receipts,      [".",    ".",    "RECEIPTS_HIDDEN",      "RECEIPTS_HIDDEN",      ".", ".", NO, NO, NO]),
    (Rpc::Pin,           [".",    ".",    "PINNING_NOT_ALLOWED",  "PINNING_NOT_ALLOWED",  ".", ".", NO, NO, NO]),
    (Rpc::Unpin,         [".",    ".",    "PINNING_NOT_ALLOWED",  "PINNING_NOT_ALLOWED",  ".", ".", NO, NO, NO]),
    (Rpc::ListPins,      [".",    ".",    ".",                    ".",                    ".", ".", NO_CHAT, NO_CHAT, NO_CHAT]),
    (Rpc::Clear,         [".",    ".",    ".",                    ".",                    ".", ".", NO_CHAT, NO_CHAT, NO_CHAT]),
    (Rpc::SyncChat,      [".",    ".",    ".",                    ".",                    ".", ".", NO_CHAT, NO_CHAT, NO_CHAT]),
];

/// Who may not see a thing is told that there is none.
const NO_CHAT: &str = "CHAT_NOT_FOUND";
const NO: &str = "MESSAGE_NOT_FOUND";

/// A chat with a message of its first member, and the caller's place in it.
async fn scene(bed: &Bed, replica: &Replica, relation: Relation) -> (ChatId, Client, pb::Message) {
    let (owner, caller) = (user(), user());
    let kind = match relation {
        Relation::Subscriber | Relation::ChannelAdmin => pb::ChatKind::Channel,
        Relation::Blocked => pb::ChatKind::Direct,
        _ => pb::ChatKind::Group,
    };
    let is_in = !matches!(relation, Relation::Stranger | Relation::OtherAdmin);
    let members: Vec<UserId> = if is_in { vec![owner, caller] } else { vec![owner, user()] };
    let chat_id = bed.chat_as(replica, kind, &members).await;
    let sent = replica.client(owner).send(chat_id, "m", "hi").await.unwrap();
    match relation {
        Relation::Admin | Relation::ChannelAdmin => bed.chats.promote(chat_id, caller),
        Relation::Reader => drop(bed.chats.silence(chat_id, caller)),
        Relation::Blocked => drop(bed.chats.set_blocked(chat_id, true)),
        Relation::Left => bed.leave(replica, chat_id, caller).await,
        Relation::OtherAdmin => drop(bed.chat_as(replica, pb::ChatKind::Group, &[caller]).await),
        Relation::Member | Relation::Subscriber | Relation::Stranger => {}
    }
    (chat_id, replica.client(caller), sent)
}

async fn call(rpc: Rpc, client: &Client, chat_id: ChatId, sent: &pb::Message) -> Result<(), Status> {
    let id = sent.id.as_str();
    match rpc {
        Rpc::Send => client.send(chat_id, "x", "hi").await.map(drop),
        Rpc::SendTogether => {
            let mut results = client.send_together(chat_id, &[("y", "hi")]).await?;
            let refused = results.remove(0).err();
            refused.map_or(Ok(()), |failure| Err(Status::unknown(failure.reason)))
        }
        Rpc::List => {
            client.list(api::ListMessagesRequest { chat_id: chat_id.to_string(), ..Default::default() }).await.map(drop)
        }
        Rpc::Get => client.get(id).await.map(drop),
        Rpc::History => client.history(id).await.map(drop),
        Rpc::EditOthers => client.edit(id, "mine").await.map(drop),
        Rpc::DeleteOthers => client.delete(id).await,
        Rpc::Hide => client.hide(id).await,
        Rpc::React => client.react(id, "👍").await,
        Rpc::Unreact => client.react(id, "").await,
        Rpc::ListReactions => {
            let list = api::ListReactionsRequest { message_id: id.to_owned(), ..Default::default() };
            client.reactions(list).await.map(drop)
        }
        Rpc::Read => client.read(chat_id, 1).await.map(drop),
        Rpc::ReadMessage => client.read_message(id).await.map(drop),
        Rpc::Deliver => client.deliver(chat_id, 1).await.map(drop),
        Rpc::Receipts => client.receipts(id).await.map(drop),
        Rpc::Pin => client.pin(chat_id, id).await,
        Rpc::Unpin => client.unpin(chat_id, id).await,
        Rpc::ListPins => client.pins(chat_id).await.map(drop),
        Rpc::Clear => client.clear(chat_id).await,
        Rpc::SyncChat => client.sync_chat(chat_id, 0, 0, "").await.map(drop),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_answered_to_every_relation_as_the_table_says() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let mut wrong = Vec::new();
    for (column, relation) in RELATIONS.into_iter().enumerate() {
        for (rpc, answers) in TABLE {
            let (chat_id, client, sent) = scene(&bed, &replica, relation).await;
            let answer = match call(rpc, &client, chat_id, &sent).await {
                Ok(()) => ".".to_owned(),
                Err(status) if status.code() == tonic::Code::Unknown => status.message().to_owned(),
                Err(status) => reason(&status),
            };
            if answer != answers[column] {
                wrong.push(format!("{rpc:?} by {relation:?}: {answer} instead of {}", answers[column]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
