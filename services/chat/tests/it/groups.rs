//! Groups: who is in them, what they say of themselves, and how they end.

use std::time::Duration;

use futures_util::future::{join, join_all};
use godwit_contract::chat::v1 as api;
use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change;
use godwit_kernel::UserId;
use godwit_testkit::eventually;
use tonic::Code;

use crate::harness::{Bed, PATIENCE, reason, refusal};
use crate::neighbours::Appends;

fn roles(mut expected: Vec<(UserId, pb::ChatRole)>) -> Vec<(UserId, pb::ChatRole)> {
    expected.sort_by_key(|(user_id, _)| *user_id);
    expected
}

/// What a person's own log has, without its first update.
fn own_log(bed: &Bed, user_id: UserId) -> Vec<Change> {
    bed.neighbours.changes_of(&user_id.to_string()).into_iter().skip(1).collect()
}

fn left(chat_id: &str, cause: pb::RemovalCause) -> Change {
    Change::ChatLeft(pb::ChatLeft { chat_id: chat_id.to_owned(), cause: cause.into() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_begins_with_who_may_be_added_and_tells_who_may_not() {
    let bed = Bed::new().await;
    let (ada, bob, eve, shy) = (bed.person(), bed.person(), bed.person(), bed.person());
    let gone = bed.person();
    bed.neighbours.refuse(ada, eve, "BLOCKED");
    bed.neighbours.refuse(ada, shy, "PRIVACY");
    bed.neighbours.delete_user(gone);
    let mut gateway = bed.gateway_of(bob).await;
    let member_ids = [bob, eve, shy, gone, ada, bob].map(|id| id.to_string()).to_vec();
    let request = api::CreateGroupRequest {
        title: " Rust ".to_owned(),
        description: "All of it".to_owned(),
        member_ids,
        ..Default::default()
    };
    let answer = bed.client(0, ada).create_group(request).await.unwrap();
    let chat = answer.chat.unwrap();
    let mut refused: Vec<_> = answer.refused.into_iter().map(|refused| (refused.user_id, refused.reason)).collect();
    let mut expected = [(eve, "BLOCKED"), (shy, "PRIVACY"), (gone, "USER_NOT_FOUND")]
        .map(|(id, why)| (id.to_string(), why.to_owned()));
    refused.sort();
    expected.sort();
    assert_eq!(refused, expected);
    let info = chat.info.clone().unwrap();
    assert_eq!(
        (chat.kind(), info.title.as_str(), info.description.as_str()),
        (pb::ChatKind::Group, "Rust", "All of it")
    );
    assert_eq!((chat.member_count, chat.my_role(), chat.seq), (2, pb::ChatRole::Owner, 1));
    assert!(info.is_history_visible && info.who_may_post() == pb::WhoMayPost::Members);
    let members = bed.client(1, bob).members(&chat.id).await.unwrap();
    assert_eq!(members, roles(vec![(ada, pb::ChatRole::Owner), (bob, pb::ChatRole::Member)]));
    assert_eq!(gateway.told_to_follow().await, [chat.id.as_str()]);

    let [append] = bed.neighbours.log_of(&chat.id).try_into().unwrap();
    let update = append.update.unwrap();
    assert_eq!((append.membership_version, update.actor_id), (1, ada.to_string()));
    let Some(Change::ChatCreated(created)) = update.change else { panic!("another change") };
    assert_eq!((created.kind(), created.info, created.member_ids.len()), (pb::ChatKind::Group, Some(info), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_client_chat_id_returns_the_first_group_also_at_once() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let request = |title: &str| api::CreateGroupRequest {
        title: title.to_owned(),
        member_ids: vec![bob.to_string()],
        client_chat_id: "mine-1".to_owned(),
        ..Default::default()
    };
    let clients = [bed.client(0, ada), bed.client(1, ada)];
    let made = join_all((0..10).map(|number| clients[number % 2].create_group(request("First")))).await;
    let ids: std::collections::BTreeSet<_> = made.into_iter().map(|made| made.unwrap().chat.unwrap().id).collect();
    assert_eq!(ids.len(), 1);
    let again = clients[0].create_group(request("Second")).await.unwrap().chat.unwrap();
    assert_eq!((again.info.unwrap().title, ids.contains(&again.id)), ("First".to_owned(), true));
    assert_eq!(bed.neighbours.log_of(&again.id).len(), 1);

    let channel = api::CreateChannelRequest {
        title: "Other".to_owned(),
        client_chat_id: "mine-1".to_owned(),
        ..Default::default()
    };
    assert_eq!(refusal(&clients[0].create_channel(channel).await), "CLIENT_CHAT_ID_REUSED");
    // Another's id of the same name is another's.
    let others = bed.client(0, bob).create_group(request("Bob's")).await.unwrap().chat.unwrap();
    assert_ne!(others.id, again.id);
    let unnamed = api::CreateGroupRequest { client_chat_id: String::new(), ..request("x") };
    let [one, two] = [unnamed.clone(), unnamed].map(|unnamed| clients[0].create_group(unnamed));
    let (one, two) = join(one, two).await;
    assert_ne!(one.unwrap().chat.unwrap().id, two.unwrap().chat.unwrap().id);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_group_is_refused_by_its_field() {
    let bed = Bed::new().await;
    let ada = bed.person();
    let good = api::CreateGroupRequest { title: "A group".to_owned(), ..Default::default() };
    for request in [
        api::CreateGroupRequest { title: "  ".to_owned(), ..good.clone() },
        api::CreateGroupRequest { title: "x".repeat(129), ..good.clone() },
        api::CreateGroupRequest { title: "a\0b".to_owned(), ..good.clone() },
        api::CreateGroupRequest { description: "x".repeat(1_025), ..good.clone() },
        api::CreateGroupRequest { member_ids: vec!["x".to_owned()], ..good.clone() },
        api::CreateGroupRequest { member_ids: vec![ada.to_string(); 200], ..good.clone() },
        api::CreateGroupRequest { client_chat_id: "a b".to_owned(), ..good.clone() },
        api::CreateGroupRequest { client_chat_id: "x".repeat(65), ..good.clone() },
        api::CreateGroupRequest { avatar_media_id: "x".to_owned(), ..good.clone() },
    ] {
        let refused = bed.client(0, ada).create_group(request).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "INVALID_ARGUMENT"));
    }
    assert_eq!(bed.number("SELECT count(*) FROM chats").await, 0);
}

/// Who posts and reads by what was known of a smaller group would go on telling all of them how far they have read.
#[tokio::test(flavor = "multi_thread")]
async fn the_join_that_makes_a_group_large_is_one_that_caches_notice() {
    let bed = Bed::new().await;
    let people: Vec<_> = (0..203).map(|_| bed.person()).collect();
    let client = bed.client(0, people[0]);
    let chat = client.group(&people[1..198]).await;
    for (joiners, version) in [(&people[198..200], 1), (&people[200..202], 2), (&people[202..203], 2)] {
        client.add(&chat.id, joiners).await.unwrap();
        assert_eq!(bed.neighbours.version_of(&chat.id), version, "with {}", joiners.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_added_once_and_each_refusal_is_told() {
    let bed = Bed::new().await;
    let (ada, bob, carl, eve) = (bed.person(), bed.person(), bed.person(), bed.person());
    let client = bed.client(0, ada);
    let chat = client.group(&[bob]).await;
    client.ban(&chat.id, eve).await.unwrap();
    let mut gateway = bed.gateway_of(carl).await;
    let answer = client.add(&chat.id, &[bob, carl, eve, carl]).await.unwrap();
    let added: Vec<_> = answer.added.iter().map(|member| member.user_id.clone()).collect();
    assert_eq!(added, [carl.to_string()]);
    assert_eq!(answer.refused, [api::RefusedMember { user_id: eve.to_string(), reason: "BANNED".to_owned() }]);
    assert_eq!(gateway.told_to_follow().await, [chat.id.as_str()]);
    assert_eq!(bed.client(1, carl).get(&chat.id).await.unwrap().member_count, 3);

    let again = bed.client(1, ada).add(&chat.id, &[bob, carl]).await.unwrap();
    assert_eq!((again.added, again.refused), (Vec::new(), Vec::new()));
    let [_, append] = bed.neighbours.log_of(&chat.id).try_into().unwrap();
    assert_eq!(append.membership_version, 1, "a join takes nothing away");
    let Some(Change::MembersAdded(change)) = append.update.unwrap().change else { panic!("another change") };
    assert_eq!((change.members, change.member_count, change.is_history_hidden), (answer.added, 3, false));
    for people in [vec![], vec![carl; 201]] {
        assert_eq!(refusal(&client.add(&chat.id, &people).await), "INVALID_ARGUMENT");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_a_group_with_hidden_history_is_told_so() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let client = bed.client(0, ada);
    let chat = client.group(&[]).await;
    let hide =
        api::UpdateChatRequest { chat_id: chat.id.clone(), is_history_visible: Some(false), ..Default::default() };
    client.update_chat(hide).await.unwrap();
    client.add(&chat.id, &[bob]).await.unwrap();
    let Some(Change::MembersAdded(added)) = bed.neighbours.changes_of(&chat.id).pop() else { panic!("not added") };
    assert!(added.is_history_hidden);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_is_out_when_the_call_returns() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let client = bed.client(0, ada);
    let chat = client.group(&[bob]).await;
    let mut gateway = bed.gateway_of(bob).await;
    client.remove(&chat.id, bob).await.unwrap();
    assert_eq!(refusal(&bed.client(1, bob).get(&chat.id).await), "CHAT_NOT_FOUND");
    assert_eq!(bed.neighbours.version_of(&chat.id), 2, "the log knows");
    assert_eq!(gateway.told_to_stop().await, [chat.id.as_str()]);
    let removed = pb::MemberRemoved {
        user_id: bob.to_string(),
        cause: pb::RemovalCause::Removed.into(),
        member_count: 1,
        ..Default::default()
    };
    assert_eq!(bed.neighbours.changes_of(&chat.id)[1..], [Change::MemberRemoved(removed)]);
    assert_eq!(own_log(&bed, bob), [left(&chat.id, pb::RemovalCause::Removed)]);

    client.remove(&chat.id, bob).await.unwrap();
    assert_eq!(bed.neighbours.log_of(&chat.id).len(), 2, "nobody is removed twice");
    client.add(&chat.id, &[bob]).await.unwrap();
    assert_eq!(bed.client(1, bob).get(&chat.id).await.unwrap().member_count, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_message_service_is_down_a_removal_is_kept_and_not_done() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let client = bed.client(0, ada);
    let chat = client.group(&[bob]).await;
    bed.neighbours.set_appends(Appends::Down);
    for _ in 0..2 {
        assert_eq!(refusal(&client.remove(&chat.id, bob).await), "CHAT_NOT_READY");
    }
    assert_eq!(refusal(&bed.client(1, bob).get(&chat.id).await), "CHAT_NOT_FOUND");
    bed.neighbours.set_appends(Appends::Answered);
    client.remove(&chat.id, bob).await.unwrap();
    assert_eq!((bed.neighbours.log_of(&chat.id).len(), bed.neighbours.version_of(&chat.id)), (2, 2));
    bed.clock.advance(Duration::from_secs(60));
    eventually(PATIENCE, || async { own_log(&bed, bob).len() == 1 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_banned_is_out_and_stays_out_until_the_ban_is_lifted() {
    let bed = Bed::new().await;
    let (ada, bob, eve) = (bed.person(), bed.person(), bed.person());
    let client = bed.client(0, ada);
    let chat = client.group(&[bob]).await;
    let code = client.invite(&chat.id, 0, false).await.unwrap().code;
    for user_id in [bob, eve] {
        client.ban(&chat.id, user_id).await.unwrap();
        client.ban(&chat.id, user_id).await.unwrap();
        assert_eq!(refusal(&bed.client(1, user_id).join(&code).await), "INVITE_NOT_FOUND");
    }
    assert_eq!(bed.neighbours.log_of(&chat.id).len(), 2, "a ban of who is not in is no change of the group");
    assert_eq!(own_log(&bed, bob), [left(&chat.id, pb::RemovalCause::Banned)]);
    let bans = client.list_bans(api::ListBansRequest { chat_id: chat.id.clone(), ..Default::default() }).await.unwrap();
    let mut banned: Vec<_> = bans.bans.iter().map(|ban| ban.user.clone().unwrap().id).collect();
    banned.sort();
    let mut expected = [bob.to_string(), eve.to_string()];
    expected.sort();
    assert_eq!(banned, expected);
    assert!(bans.bans.iter().all(|ban| ban.banned_by_id == ada.to_string()));

    for _ in 0..2 {
        client.unban(&chat.id, bob).await.unwrap();
    }
    bed.client(1, bob).join(&code).await.unwrap();
    assert_eq!(refusal(&client.ban(&chat.id, UserId::from_uuid(uuid())).await), "USER_NOT_FOUND");
}

fn uuid() -> uuid::Uuid {
    UserId::generate(&godwit_kernel::SystemClock, &godwit_kernel::SystemEntropy).as_uuid()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_owner_makes_admins_and_an_admin_touches_no_admin() {
    let bed = Bed::new().await;
    let (owner, one, two, member) = (bed.person(), bed.person(), bed.person(), bed.person());
    let client = bed.client(0, owner);
    let chat = client.group(&[one, two, member]).await;
    for admin in [one, two] {
        assert_eq!(client.role(&chat.id, admin, pb::ChatRole::Admin).await.unwrap().role(), pb::ChatRole::Admin);
    }
    assert_eq!(bed.neighbours.version_of(&chat.id), 1, "a promotion takes nothing away");
    let admin = bed.client(1, one);
    assert_eq!(refusal(&admin.role(&chat.id, member, pb::ChatRole::Admin).await), "CHAT_RIGHT_MISSING");
    for other in [two, owner] {
        assert_eq!(refusal(&admin.remove(&chat.id, other).await), "MEMBER_PROTECTED");
        assert_eq!(refusal(&admin.ban(&chat.id, other).await), "MEMBER_PROTECTED");
    }
    assert_eq!(refusal(&admin.remove(&chat.id, one).await), "CANNOT_TARGET_SELF");
    admin.remove(&chat.id, member).await.unwrap();

    let log_length = bed.neighbours.log_of(&chat.id).len();
    client.role(&chat.id, one, pb::ChatRole::Admin).await.unwrap();
    assert_eq!(bed.neighbours.log_of(&chat.id).len(), log_length, "who is an admin is not made one");
    let before = bed.neighbours.version_of(&chat.id);
    client.role(&chat.id, one, pb::ChatRole::Member).await.unwrap();
    assert_eq!(bed.neighbours.version_of(&chat.id), before + 1, "a demotion takes rights away");
    assert_eq!(refusal(&client.role(&chat.id, owner, pb::ChatRole::Member).await), "MEMBER_PROTECTED");
    assert_eq!(refusal(&client.role(&chat.id, one, pb::ChatRole::Owner).await), "INVALID_ARGUMENT");
    assert_eq!(refusal(&client.role(&chat.id, member, pb::ChatRole::Admin).await), "MEMBER_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_leaves_only_after_a_transfer() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let client = bed.client(0, ada);
    let chat = client.group(&[bob]).await;
    assert_eq!(refusal(&client.leave(&chat.id).await), "OWNER_CANNOT_LEAVE");
    assert_eq!(refusal(&client.transfer(&chat.id, ada).await), "CANNOT_TARGET_SELF");
    client.transfer(&chat.id, bob).await.unwrap();
    let members = client.members(&chat.id).await.unwrap();
    assert_eq!(members, roles(vec![(ada, pb::ChatRole::Admin), (bob, pb::ChatRole::Owner)]));
    let Some(Change::RolesChanged(change)) = bed.neighbours.changes_of(&chat.id).pop() else { panic!("no roles") };
    let changed = change.members.iter().map(|member| (member.user_id.parse().unwrap(), member.role())).collect();
    assert_eq!(roles(changed), members);
    client.leave(&chat.id).await.unwrap();
    assert_eq!(refusal(&client.get(&chat.id).await), "CHAT_NOT_FOUND");
    assert_eq!(own_log(&bed, ada), [left(&chat.id, pb::RemovalCause::Left)]);
    assert_eq!(refusal(&client.leave(&chat.id).await), "CHAT_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_transfers_at_once_there_is_one_owner() {
    let bed = Bed::new().await;
    for _ in 0..10 {
        let (ada, bob, carl) = (bed.person(), bed.person(), bed.person());
        let clients = [bed.client(0, ada), bed.client(1, ada)];
        let chat = clients[0].group(&[bob, carl]).await;
        let (one, two) = join(clients[0].transfer(&chat.id, bob), clients[1].transfer(&chat.id, carl)).await;
        assert_eq!([&one, &two].into_iter().filter(|moved| moved.is_ok()).count(), 1, "{one:?} {two:?}");
        let members = clients[0].members(&chat.id).await.unwrap();
        let owners = members.iter().filter(|(_, role)| *role == pb::ChatRole::Owner).count();
        assert_eq!((owners, bed.neighbours.log_of(&chat.id).len()), (1, 2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_addition_and_a_ban_at_once_never_leave_a_banned_member() {
    let bed = Bed::new().await;
    for _ in 0..15 {
        let (ada, bob) = (bed.person(), bed.person());
        let clients = [bed.client(0, ada), bed.client(1, ada)];
        let chat = clients[0].group(&[]).await;
        let (added, banned) = join(clients[0].add(&chat.id, &[bob]), clients[1].ban(&chat.id, bob)).await;
        added.unwrap();
        banned.unwrap();
        assert_eq!(clients[0].members(&chat.id).await.unwrap(), [(ada, pb::ChatRole::Owner)]);
        assert_eq!(clients[0].get(&chat.id).await.unwrap().member_count, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_group_says_of_itself_is_changed_in_parts() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let client = bed.client(0, ada);
    let chat = client.group(&[bob]).await;
    let image = bed.neighbours.upload_of(ada, "image/webp").to_string();
    let change = |change: api::UpdateChatRequest| {
        client.update_chat(api::UpdateChatRequest { chat_id: chat.id.clone(), ..change })
    };
    let request = api::UpdateChatRequest {
        title: Some("New".to_owned()),
        avatar_media_id: Some(image.clone()),
        ..Default::default()
    };
    let info = change(request.clone()).await.unwrap().chat.unwrap().info.unwrap();
    assert_eq!((info.title.as_str(), info.avatar_media_id.as_str()), ("New", image.as_str()));
    let changed = pb::ChatInfoChanged { info: Some(info) };
    assert_eq!(bed.neighbours.changes_of(&chat.id)[1..], [Change::ChatInfoChanged(changed)]);
    change(request).await.unwrap();
    assert_eq!(bed.neighbours.log_of(&chat.id).len(), 2, "what is as it was makes no update");
    assert_eq!(bed.neighbours.version_of(&chat.id), 1);

    let (document, foreign) =
        (bed.neighbours.upload_of(ada, "application/pdf"), bed.neighbours.upload_of(bob, "image/png"));
    for (avatar, why) in [(document, "MEDIA_NOT_AN_IMAGE"), (foreign, "MEDIA_NOT_FOUND")] {
        let request = api::UpdateChatRequest { avatar_media_id: Some(avatar.to_string()), ..Default::default() };
        assert_eq!(refusal(&change(request).await), why);
    }
    for (request, why) in [
        (api::UpdateChatRequest { slow_mode_secs: Some(86_401), ..Default::default() }, "INVALID_ARGUMENT"),
        (api::UpdateChatRequest { who_may_post: Some(7), ..Default::default() }, "INVALID_ARGUMENT"),
        (api::UpdateChatRequest { title: Some(String::new()), ..Default::default() }, "INVALID_ARGUMENT"),
        (api::UpdateChatRequest { handle: Some("news_here".to_owned()), ..Default::default() }, "WRONG_CHAT_KIND"),
    ] {
        assert_eq!(refusal(&change(request).await), why);
    }
    let none = api::UpdateChatRequest { avatar_media_id: Some(String::new()), ..Default::default() };
    assert_eq!(change(none).await.unwrap().chat.unwrap().info.unwrap().avatar_media_id, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_group_is_gone_for_everybody_and_each_is_told() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let client = bed.client(0, ada);
    let chat = client.group(&[bob]).await;
    let code = client.invite(&chat.id, 0, false).await.unwrap().code;
    let mut gateway = bed.gateway_of(bob).await;
    client.delete_chat(api::DeleteChatRequest { chat_id: chat.id.clone() }).await.unwrap();
    for user_id in [ada, bob] {
        let person = bed.client(1, user_id);
        assert_eq!(refusal(&person.get(&chat.id).await), "CHAT_NOT_FOUND");
        assert!(person.list(0, "").await.unwrap().chats.iter().all(|listed| listed.id != chat.id));
        assert_eq!(own_log(&bed, user_id), [left(&chat.id, pb::RemovalCause::ChatDeleted)]);
    }
    assert_eq!(refusal(&bed.client(0, bed.person()).join(&code).await), "INVITE_NOT_FOUND");
    assert_eq!(bed.neighbours.changes_of(&chat.id)[1..], [Change::ChatDeleted(pb::ChatDeleted {})]);
    let raises = bed.neighbours.raises_of(&chat.id);
    let mut put_out: Vec<_> = raises.into_iter().flat_map(|raise| raise.left_user_ids).collect();
    put_out.sort();
    let mut expected = [ada.to_string(), bob.to_string()];
    expected.sort();
    assert_eq!((put_out.as_slice(), bed.neighbours.version_of(&chat.id)), (expected.as_slice(), 3));
    let mut told = gateway.told().await;
    while !matches!(&told, godwit_contract::events::v1::live_payload::Payload::Left(_)) {
        told = gateway.told().await;
    }
    assert_eq!(
        bed.number("SELECT count(*) FROM members m JOIN chats c ON c.id = m.chat_id WHERE kind = 'group'").await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_goes_on_where_the_deletion_of_a_large_group_stopped() {
    let bed = Bed::new().await;
    let ada = bed.person();
    let client = bed.client(0, ada);
    let chat = client.group(&[]).await;
    let mut conn = bed.pool.get().await.unwrap();
    let fill = format!(
        "WITH added AS (INSERT INTO members (chat_id, user_id, joined_at)
         SELECT '{0}', gen_random_uuid(), now() FROM generate_series(1, 1500) RETURNING 1)
         UPDATE chats SET member_count = 1501 WHERE id = '{0}'",
        chat.id
    );
    diesel_async::RunQueryDsl::execute(diesel::sql_query(fill), &mut conn).await.unwrap();
    drop(conn);
    client.delete_chat(api::DeleteChatRequest { chat_id: chat.id.clone() }).await.unwrap();
    let rest = format!("SELECT count(*) FROM members WHERE chat_id = '{}'", chat.id);
    assert_eq!(bed.number(&rest).await, 501, "a thousand go at once");
    assert_eq!(refusal(&client.get(&chat.id).await), "CHAT_NOT_FOUND", "for all others it is gone, too");
    bed.clock.advance(Duration::from_secs(60));
    eventually(PATIENCE, || async {
        bed.number("SELECT sum(member_count) FROM chats WHERE kind = 'group'").await == 0
    })
    .await;
    assert_eq!(bed.number(&rest).await, 0);
    let raises = bed.neighbours.raises_of(&chat.id);
    assert_eq!(raises.iter().map(|raise| raise.left_user_ids.len()).sum::<usize>(), 1_501);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_listed_in_pages_by_id() {
    let bed = Bed::new().await;
    let ada = bed.person();
    let people: Vec<_> = (0..7).map(|_| bed.person()).collect();
    let chat = bed.client(0, ada).group(&people).await;
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let request = api::ListChatMembersRequest { chat_id: chat.id.clone(), limit: 3, cursor };
        let page = bed.client(1, people[0]).list_chat_members(request).await.unwrap();
        assert!(page.members.len() <= 3);
        listed.extend(page.members);
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    let mut expected: Vec<_> = people.iter().chain([&ada]).map(UserId::to_string).collect();
    expected.sort();
    assert_eq!(listed.iter().map(|view| view.member.clone().unwrap().user_id).collect::<Vec<_>>(), expected);
    assert!(listed.iter().all(|view| view.user.as_ref().unwrap().username.starts_with("name-")));
    let forged = api::ListChatMembersRequest { chat_id: chat.id, limit: 3, cursor: "x".to_owned() };
    assert_eq!(refusal(&bed.client(0, ada).list_chat_members(forged).await), "INVALID_CURSOR");
}
