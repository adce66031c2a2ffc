//! Every RPC of clients in every relation to a chat: each answers exactly what `docs/CHAT_ACCESS.md` says.

use std::path::Path;

use futures_util::{StreamExt as _, stream};
use godwit_chat::domain::rights_markdown;
use godwit_contract::chat::v1 as api;
use godwit_contract::chat::v1::chat_internal_service_server::ChatInternalService as _;
use godwit_contract::rpcs::RPCS;
use godwit_contract::v1 as pb;
use godwit_kernel::UserId;
use tonic::{Request, Status};

use crate::harness::{Bed, Client, refusal};

/// Set to write the file anew instead of comparing it.
const UPDATE: &str = "GODWIT_UPDATE_DOCS";

/// What the caller is to the group or public channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Owner,
    Admin,
    Member,
    Banned,
    Left,
    Stranger,
    /// An admin of another chat of the kind.
    OtherAdmin,
}

const RELATIONS: [Relation; 7] = [
    Relation::Owner,
    Relation::Admin,
    Relation::Member,
    Relation::Banned,
    Relation::Left,
    Relation::Stranger,
    Relation::OtherAdmin,
];

/// What the caller is to a direct chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Member,
    /// One of the two blocks the other.
    Blocked,
    Stranger,
}

const SIDES: [Side; 3] = [Side::Member, Side::Blocked, Side::Stranger];

/// The answer of one RPC in each relation; empty when it is allowed.
struct Row {
    rpc: &'static str,
    group: [&'static str; 7],
    channel: [&'static str; 7],
    direct: [&'static str; 3],
}

const YES: &str = "";
const NO: &str = "CHAT_NOT_FOUND";
const R: &str = "CHAT_RIGHT_MISSING";
const KIND: &str = "WRONG_CHAT_KIND";
const GUARD: &str = "MEMBER_PROTECTED";
const OWNER: &str = "OWNER_CANNOT_LEAVE";
const INVITE: &str = "INVITE_NOT_FOUND";

/// For everybody, by nothing but the caller themselves.
const ALL: ([&str; 7], [&str; 7], [&str; 3]) = ([YES; 7], [YES; 7], [YES; 3]);
const OF_MEMBERS: [&str; 7] = [YES, YES, YES, NO, NO, NO, NO];
const OF_ADMINS: [&str; 7] = [YES, YES, R, NO, NO, NO, NO];
const OF_OWNER: [&str; 7] = [YES, R, R, NO, NO, NO, NO];
const OF_NOBODY: [&str; 7] = [R, R, R, NO, NO, NO, NO];
const WRONG: [&str; 7] = [KIND, KIND, KIND, NO, NO, NO, NO];
const DIRECT: [&str; 3] = [YES, YES, NO];
const NOT_DIRECT: [&str; 3] = [R, R, NO];

const fn row(
    rpc: &'static str,
    (group, channel, direct): ([&'static str; 7], [&'static str; 7], [&'static str; 3]),
) -> Row {
    Row { rpc, group, channel, direct }
}

/// What is about a member is asked about one who is neither owner nor admin; a direct chat is deleted for oneself.
const TABLE: [Row; 40] = [
    // A chat that is there stays open to both; who blocks whom matters to sending.
    row("CreateDirectChat", ALL),
    row("ListChats", ALL),
    row("GetSavedMessages", ALL),
    row("CreateGroup", ALL),
    row("GetChat", (OF_MEMBERS, OF_MEMBERS, DIRECT)),
    row("UpdateChat", (OF_ADMINS, OF_ADMINS, NOT_DIRECT)),
    row("DeleteChat", (OF_OWNER, OF_OWNER, DIRECT)),
    row("ListChatMembers", (OF_MEMBERS, OF_ADMINS, DIRECT)),
    row("AddMembers", (OF_ADMINS, OF_NOBODY, NOT_DIRECT)),
    row("ChangeRole", (OF_OWNER, OF_OWNER, NOT_DIRECT)),
    row("RemoveMember", (OF_ADMINS, OF_ADMINS, NOT_DIRECT)),
    row("TransferOwnership", (OF_OWNER, OF_OWNER, NOT_DIRECT)),
    row("LeaveChat", ([OWNER, YES, YES, NO, NO, NO, NO], [OWNER, YES, YES, NO, NO, NO, NO], [KIND, KIND, NO])),
    row("BanUser", (OF_ADMINS, OF_ADMINS, NOT_DIRECT)),
    row("UnbanUser", (OF_ADMINS, OF_ADMINS, NOT_DIRECT)),
    row("ListBans", (OF_ADMINS, OF_ADMINS, NOT_DIRECT)),
    row("CreateChannel", ALL),
    row("GetChannel", ([NO; 7], [YES; 7], [NO; 3])),
    row("Subscribe", (WRONG, [YES, YES, YES, "BANNED", YES, YES, YES], [KIND, KIND, NO])),
    row("Unsubscribe", (WRONG, [OWNER, YES, YES, NO, NO, NO, NO], [KIND, KIND, NO])),
    row("ListSubscribers", ([KIND, KIND, KIND, NO, NO, NO, NO], OF_ADMINS, [KIND, KIND, NO])),
    row("CreateInvite", (OF_ADMINS, OF_ADMINS, NOT_DIRECT)),
    row("ListInvites", (OF_ADMINS, OF_ADMINS, NOT_DIRECT)),
    row("RevokeInvites", (OF_ADMINS, OF_ADMINS, NOT_DIRECT)),
    row("GetInvite", ([YES, YES, YES, INVITE, YES, YES, YES], [YES, YES, YES, INVITE, YES, YES, YES], [INVITE; 3])),
    row("JoinByInvite", ([YES, YES, YES, INVITE, YES, YES, YES], [YES, YES, YES, INVITE, YES, YES, YES], [INVITE; 3])),
    row("ListJoinRequests", (OF_ADMINS, OF_ADMINS, NOT_DIRECT)),
    row("AcceptJoinRequest", (OF_ADMINS, OF_ADMINS, NOT_DIRECT)),
    row("RejectJoinRequest", (OF_ADMINS, OF_ADMINS, NOT_DIRECT)),
    row("MuteChat", (OF_MEMBERS, OF_MEMBERS, DIRECT)),
    row("UnmuteChat", (OF_MEMBERS, OF_MEMBERS, DIRECT)),
    row("ArchiveChat", (OF_MEMBERS, OF_MEMBERS, DIRECT)),
    row("UnarchiveChat", (OF_MEMBERS, OF_MEMBERS, DIRECT)),
    row("GetDraft", (OF_MEMBERS, OF_MEMBERS, DIRECT)),
    row("SetDraft", (OF_MEMBERS, OF_MEMBERS, DIRECT)),
    row("DeleteDraft", (OF_MEMBERS, OF_MEMBERS, DIRECT)),
    row("ListFolders", ALL),
    // With the chat in it.
    row("CreateFolder", (OF_MEMBERS, OF_MEMBERS, DIRECT)),
    row("UpdateFolder", (OF_MEMBERS, OF_MEMBERS, DIRECT)),
    row("DeleteFolder", ALL),
];

/// After these a scene is another; each has one of its own.
const CHANGES_THE_SCENE: [&str; 12] = [
    "DeleteChat",
    "ChangeRole",
    "RemoveMember",
    "TransferOwnership",
    "LeaveChat",
    "BanUser",
    "Subscribe",
    "Unsubscribe",
    "RevokeInvites",
    "JoinByInvite",
    "AcceptJoinRequest",
    "RejectJoinRequest",
];

/// What the same RPCs answer about an admin and about the owner, where it is not what they answer about a member.
const ABOUT: [(&str, [&str; 7], [&str; 7]); 2] = [
    ("RemoveMember", [YES, GUARD, R, NO, NO, NO, NO], ["CANNOT_TARGET_SELF", GUARD, R, NO, NO, NO, NO]),
    ("BanUser", [YES, GUARD, R, NO, NO, NO, NO], ["CANNOT_TARGET_SELF", GUARD, R, NO, NO, NO, NO]),
];

/// A chat with somebody in each relation, and what calls about it name.
struct Scene {
    chat_id: String,
    owner: UserId,
    /// Another admin than the one who calls.
    admin: UserId,
    target: UserId,
    newcomer: UserId,
    banned: UserId,
    waiting: UserId,
    code: String,
    handle: String,
    caller: Client,
    folder_id: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Group,
    Channel,
}

async fn scene(bed: &Bed, stage: Stage, relation: Relation) -> Scene {
    let (owner, target, newcomer) = (bed.person(), bed.person(), bed.person());
    let (admin, banned, waiting, caller) = (bed.person(), bed.person(), bed.person(), bed.person());
    let boss = bed.client(0, owner);
    let handle = format!("h{}", &owner.to_string().replace('-', "")[8..]);
    let chat_id = match stage {
        Stage::Group => boss.group(&[]).await.id,
        Stage::Channel => boss.channel(&handle).await.id,
    };
    let code = boss.invite(&chat_id, 0, false).await.unwrap().code;
    let slow_code = boss.invite(&chat_id, 0, true).await.unwrap().code;
    for member in [admin, target] {
        bed.client(0, member).join(&code).await.unwrap();
    }
    boss.role(&chat_id, admin, pb::ChatRole::Admin).await.unwrap();
    boss.ban(&chat_id, banned).await.unwrap();
    bed.client(0, waiting).join(&slow_code).await.unwrap();
    let me = bed.client(1, caller);
    if matches!(relation, Relation::Admin | Relation::Member | Relation::Banned | Relation::Left) {
        me.join(&code).await.unwrap();
    }
    let client = match relation {
        Relation::Owner => bed.client(1, owner),
        Relation::Admin => {
            boss.role(&chat_id, caller, pb::ChatRole::Admin).await.unwrap();
            me
        }
        Relation::Banned => {
            boss.ban(&chat_id, caller).await.unwrap();
            me
        }
        Relation::Left => {
            me.leave(&chat_id).await.unwrap();
            me
        }
        Relation::OtherAdmin => {
            if stage == Stage::Group {
                me.group(&[]).await
            } else {
                me.channel("").await
            };
            me
        }
        Relation::Member | Relation::Stranger => me,
    };
    let folder_id = own_folder(&client).await;
    Scene { chat_id, owner, admin, target, newcomer, banned, waiting, code, handle, caller: client, folder_id }
}

async fn own_folder(client: &Client) -> String {
    let request = api::CreateFolderRequest { title: "Mine".to_owned(), ..Default::default() };
    client.create_folder(request).await.unwrap().folder.unwrap().id
}

async fn direct_scene(bed: &Bed, side: Side) -> Scene {
    let (ada, bob, eve) = (bed.person(), bed.person(), bed.person());
    let chat_id = bed.client(0, ada).create(bob).await.unwrap().id;
    if side == Side::Blocked {
        let (user_id, other_user_id) = (ada.to_string(), bob.to_string());
        let request = api::SetDirectBlockRequest { user_id, other_user_id, is_blocked: true, version: 1 };
        bed.replicas[0].server.set_direct_block(Request::new(request)).await.unwrap();
        bed.neighbours.refuse(ada, bob, "BLOCKED");
    }
    let caller = bed.client(1, if side == Side::Stranger { eve } else { ada });
    let folder_id = own_folder(&caller).await;
    let newcomer = bed.person();
    Scene {
        chat_id,
        owner: bob,
        admin: bob,
        target: bob,
        newcomer,
        banned: newcomer,
        waiting: newcomer,
        code: "A".repeat(22),
        handle: "nobody_has_it".to_owned(),
        caller,
        folder_id,
    }
}

fn done<T>(answer: Result<T, Status>) -> Result<(), Status> {
    answer.map(drop)
}

/// Calls an RPC about the chat; about `target` where it is about a member.
async fn call(rpc: &str, scene: &Scene, client: &Client, target: UserId) -> Result<(), Status> {
    let (chat_id, user_id) = (scene.chat_id.clone(), target.to_string());
    match rpc {
        "CreateDirectChat" => done(client.create(scene.target).await),
        "ListChats" => done(client.list(0, "").await),
        "GetSavedMessages" => done(client.get_saved_messages(api::GetSavedMessagesRequest {}).await),
        "CreateGroup" => {
            let request = api::CreateGroupRequest { title: "A group".to_owned(), ..Default::default() };
            done(client.create_group(request).await)
        }
        "CreateChannel" => {
            let request = api::CreateChannelRequest { title: "A channel".to_owned(), ..Default::default() };
            done(client.create_channel(request).await)
        }
        "GetChat" => done(client.get(&chat_id).await),
        "UpdateChat" => {
            let title = Some("Another".to_owned());
            done(client.update_chat(api::UpdateChatRequest { chat_id, title, ..Default::default() }).await)
        }
        "DeleteChat" => done(client.delete_chat(api::DeleteChatRequest { chat_id }).await),
        "ListChatMembers" => done(client.members(&chat_id).await),
        "AddMembers" => done(client.add(&chat_id, &[scene.newcomer]).await),
        "ChangeRole" => done(client.role(&chat_id, target, pb::ChatRole::Admin).await),
        "RemoveMember" => client.remove(&chat_id, target).await,
        "TransferOwnership" => client.transfer(&chat_id, target).await,
        "LeaveChat" => client.leave(&chat_id).await,
        "BanUser" => done(client.ban_user(api::BanUserRequest { chat_id, user_id }).await),
        "UnbanUser" => client.unban(&chat_id, scene.banned).await,
        "ListBans" => done(client.list_bans(api::ListBansRequest { chat_id, ..Default::default() }).await),
        "GetChannel" => {
            let handle = scene.handle.clone();
            done(client.get_channel(api::GetChannelRequest { handle }).await)
        }
        "Subscribe" => done(client.follow(&chat_id).await),
        "Unsubscribe" => done(client.unsubscribe(api::UnsubscribeRequest { chat_id }).await),
        "ListSubscribers" => {
            let request = api::ListSubscribersRequest { chat_id, ..Default::default() };
            done(client.list_subscribers(request).await)
        }
        _ => call_of_invites(rpc, scene, client).await,
    }
}

async fn call_of_invites(rpc: &str, scene: &Scene, client: &Client) -> Result<(), Status> {
    let (chat_id, code, user_id) = (scene.chat_id.clone(), scene.code.clone(), scene.waiting.to_string());
    match rpc {
        "CreateInvite" => done(client.invite(&chat_id, 0, false).await),
        "ListInvites" => done(client.list_invites(api::ListInvitesRequest { chat_id }).await),
        "RevokeInvites" => {
            done(client.revoke_invites(api::RevokeInvitesRequest { chat_id, code: String::new() }).await)
        }
        "GetInvite" => done(client.get_invite(api::GetInviteRequest { code }).await),
        "JoinByInvite" => done(client.join(&code).await),
        "ListJoinRequests" => {
            let request = api::ListJoinRequestsRequest { chat_id, ..Default::default() };
            done(client.list_join_requests(request).await)
        }
        "AcceptJoinRequest" => {
            done(client.accept_join_request(api::AcceptJoinRequestRequest { chat_id, user_id }).await)
        }
        "RejectJoinRequest" => {
            done(client.reject_join_request(api::RejectJoinRequestRequest { chat_id, user_id }).await)
        }
        _ => call_of_settings(rpc, scene, client).await,
    }
}

async fn call_of_settings(rpc: &str, scene: &Scene, client: &Client) -> Result<(), Status> {
    let (chat_id, folder_id) = (scene.chat_id.clone(), scene.folder_id.clone());
    match rpc {
        "MuteChat" => done(client.mute_chat(api::MuteChatRequest { chat_id, until: None }).await),
        "UnmuteChat" => done(client.unmute_chat(api::UnmuteChatRequest { chat_id }).await),
        "ArchiveChat" => done(client.archive_chat(api::ArchiveChatRequest { chat_id }).await),
        "UnarchiveChat" => done(client.unarchive_chat(api::UnarchiveChatRequest { chat_id }).await),
        "GetDraft" => done(client.get_draft(api::GetDraftRequest { chat_id }).await),
        "SetDraft" => {
            let request = api::SetDraftRequest { chat_id, text: "almost".to_owned(), ..Default::default() };
            done(client.set_draft(request).await)
        }
        "DeleteDraft" => done(client.delete_draft(api::DeleteDraftRequest { chat_id }).await),
        "ListFolders" => done(client.list_folders(api::ListFoldersRequest {}).await),
        "CreateFolder" => {
            let request = api::CreateFolderRequest { title: "A folder".to_owned(), chat_ids: vec![chat_id] };
            done(client.create_folder(request).await)
        }
        "UpdateFolder" => {
            let (chat_ids, replaces_chats) = (vec![chat_id], true);
            let request = api::UpdateFolderRequest { folder_id, chat_ids, replaces_chats, ..Default::default() };
            done(client.update_folder(request).await)
        }
        "DeleteFolder" => done(client.delete_folder(api::DeleteFolderRequest { folder_id }).await),
        other => panic!("the matrix does not call {other}"),
    }
}

#[test]
fn every_rpc_of_clients_is_in_the_table_and_nothing_else() {
    let of_chat = RPCS.iter().filter(|rpc| rpc.service.starts_with("godwit.chat.v1."));
    let mut rpcs: Vec<&str> =
        of_chat.filter(|rpc| !rpc.service.ends_with("InternalService")).map(|rpc| rpc.method).collect();
    let mut rows: Vec<&str> = TABLE.iter().map(|row| row.rpc).collect();
    rpcs.sort_unstable();
    rows.sort_unstable();
    assert_eq!(rpcs, rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_about_a_group_or_channel_answer_as_documented_in_every_relation() {
    let bed = &Bed::new().await;
    let mut casts = Vec::new();
    for stage in [Stage::Group, Stage::Channel] {
        for (number, relation) in RELATIONS.into_iter().enumerate() {
            let answer = |row: &Row| if stage == Stage::Group { row.group[number] } else { row.channel[number] };
            let (fresh, kept): (Vec<_>, Vec<_>) = TABLE.iter().partition(|row| CHANGES_THE_SCENE.contains(&row.rpc));
            let cells = |rows: &[&Row]| rows.iter().map(|row| (row.rpc, answer(row))).collect::<Vec<_>>();
            casts.push((stage, relation, cells(&kept)));
            casts.extend(fresh.iter().map(|row| (stage, relation, cells(&[*row]))));
        }
    }
    let cell_count: usize = casts.iter().map(|(.., cells)| cells.len()).sum();
    assert_eq!(cell_count, TABLE.len() * 14);
    let wrong: Vec<String> = stream::iter(casts)
        .map(|(stage, relation, cells)| async move {
            let (scene, mut wrong) = (scene(bed, stage, relation).await, Vec::new());
            for (rpc, expected) in cells {
                let answer = refusal(&call(rpc, &scene, &scene.caller, scene.target).await);
                if answer != expected {
                    wrong.push(format!("{rpc} {stage:?} {relation:?}: {answer:?}, not {expected:?}"));
                }
            }
            wrong
        })
        .buffer_unordered(6)
        .flat_map(stream::iter)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stands_beside_or_above_is_protected() {
    let bed = &Bed::new().await;
    for (rpc, about_admin, about_owner) in ABOUT {
        for stage in [Stage::Group, Stage::Channel] {
            for (number, relation) in RELATIONS.into_iter().enumerate() {
                let scene = scene(bed, stage, relation).await;
                for (target, expected) in [(scene.owner, about_owner[number]), (scene.admin, about_admin[number])] {
                    let answer = refusal(&call(rpc, &scene, &scene.caller, target).await);
                    assert_eq!(answer, expected, "{rpc} {stage:?} {relation:?}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_about_a_direct_chat_answer_as_documented_in_every_relation() {
    let bed = &Bed::new().await;
    let mut wrong = Vec::new();
    for row in &TABLE {
        for (side, expected) in SIDES.into_iter().zip(row.direct) {
            let scene = direct_scene(bed, side).await;
            let answer = refusal(&call(row.rpc, &scene, &scene.caller, scene.target).await);
            if answer != expected {
                wrong.push(format!("{} {side:?}: {answer:?}, not {expected:?}", row.rpc));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_caller_nothing_is_answered() {
    let bed = Bed::new().await;
    let scene = scene(&bed, Stage::Channel, Relation::Owner).await;
    for row in &TABLE {
        let answer = call(row.rpc, &scene, &bed.nobody(), scene.target).await;
        assert_eq!(refusal(&answer), "UNAUTHENTICATED", "{}", row.rpc);
    }
}

fn cell(answer: &str) -> String {
    if answer.is_empty() { "yes".to_owned() } else { format!("`{answer}`") }
}

fn table_markdown(headings: &[&str], rows: impl Iterator<Item = (&'static str, Vec<&'static str>)>) -> String {
    let mut text = format!("| call | {} |\n|---|{}\n", headings.join(" | "), "---|".repeat(headings.len()));
    for (rpc, answers) in rows {
        let answers: Vec<_> = answers.into_iter().map(cell).collect();
        text.push_str(&format!("| {rpc} | {} |\n", answers.join(" | ")));
    }
    text
}

fn markdown() -> String {
    let relations = ["owner", "admin", "member", "banned", "left", "stranger", "admin elsewhere"];
    format!(
        "# Who may do what in a chat\n\n\
         Generated from `services/chat/src/domain/rights.rs`, which chat and message ask, and from the matrix of\n\
         `services/chat/tests/it/matrix.rs`, which calls every RPC in every relation: `{UPDATE}=1 cargo test -p godwit-chat\n\
         --test it matrix` writes it anew. What is between people, whatever the chat, is in [ACCESS.md](ACCESS.md).\n\n\
         ## Rights\n\n\
         What a member holds by the kind of the chat and the role. Message takes them from `GetPostingPolicy`.\n\n{}\n\
         Who may not see a chat gets `CHAT_NOT_FOUND`, whether it exists or not. Remove and ban reach only who stands below:\n\
         an owner above admins, admins above members; else `MEMBER_PROTECTED`.\n\n\
         ## Calls about a group\n\n{}\n## Calls about a public channel\n\nA member is a subscriber.\n\n{}\n\
         ## Calls about a direct chat\n\nBlocked: one of the two blocks the other; then neither may post.\n\n{}",
        rights_markdown(),
        table_markdown(&relations, TABLE.iter().map(|row| (row.rpc, row.group.to_vec()))),
        table_markdown(&relations, TABLE.iter().map(|row| (row.rpc, row.channel.to_vec()))),
        table_markdown(
            &["one of the two", "blocked", "stranger"],
            TABLE.iter().map(|row| (row.rpc, row.direct.to_vec()))
        ),
    )
}

#[test]
fn the_documentation_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/CHAT_ACCESS.md");
    let wanted = markdown();
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/CHAT_ACCESS.md is out of date: {UPDATE}=1 cargo test -p godwit-chat --test it matrix"
    );
}
