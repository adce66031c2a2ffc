//! Where chats, people and lists end, and what happens beside services that are down.

use std::time::Duration;

use godwit_contract::chat::v1 as api;
use godwit_contract::v1 as pb;
use godwit_testkit::eventually;

use crate::harness::{Bed, PATIENCE, refusal};
use crate::neighbours::Appends;

async fn execute(bed: &Bed, sql: String) {
    let mut conn = bed.pool.get().await.unwrap();
    diesel_async::RunQueryDsl::execute(diesel::sql_query(sql), &mut conn).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_group_takes_nobody_in_whatever_way_they_come() {
    let bed = Bed::new().await;
    let (ada, bob, carl) = (bed.person(), bed.person(), bed.person());
    let owner = bed.client(0, ada);
    let chat = owner.group(&[]).await;
    let code = owner.invite(&chat.id, 0, false).await.unwrap().code;
    let slow = owner.invite(&chat.id, 0, true).await.unwrap().code;
    bed.client(1, carl).join(&slow).await.unwrap();
    execute(&bed, format!("UPDATE chats SET member_count = 199999 WHERE id = '{}'", chat.id)).await;
    let answer = owner.add(&chat.id, &[bob, bed.person()]).await.unwrap();
    assert_eq!((answer.added.len(), answer.refused[0].reason.as_str()), (1, "CHAT_FULL"));
    assert_eq!(refusal(&bed.client(1, bed.person()).join(&code).await), "CHAT_FULL");
    let accept = api::AcceptJoinRequestRequest { chat_id: chat.id.clone(), user_id: carl.to_string() };
    assert_eq!(refusal(&owner.accept_join_request(accept.clone()).await), "CHAT_FULL");
    assert_eq!(
        bed.number(&format!("SELECT use_count FROM invites WHERE code = '{code}'")).await,
        0,
        "nothing is used up"
    );
    execute(&bed, format!("UPDATE chats SET member_count = 2 WHERE id = '{}'", chat.id)).await;
    owner.accept_join_request(accept).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_ten_thousand_chats_joins_no_other() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    execute(
        &bed,
        format!(
            "WITH made AS (
                 INSERT INTO chats (id, kind, membership_version, created_at, member_count)
                 SELECT gen_random_uuid(), 'group', 1, now(), 1 FROM generate_series(1, 10000) RETURNING id
             )
             INSERT INTO members (chat_id, user_id, joined_at) SELECT id, '{bob}', now() FROM made"
        ),
    )
    .await;
    let (owner, crowded) = (bed.client(0, ada), bed.client(1, bob));
    let request = api::CreateGroupRequest {
        title: "A group".to_owned(),
        member_ids: vec![bob.to_string()],
        ..Default::default()
    };
    let made = owner.create_group(request.clone()).await.unwrap();
    let (chat, refused) = (made.chat.unwrap(), made.refused);
    assert_eq!((chat.member_count, refused[0].reason.as_str()), (1, "TOO_MANY_CHATS"));
    let added = owner.add(&chat.id, &[bob]).await.unwrap();
    assert_eq!(added.refused[0].reason, "TOO_MANY_CHATS");
    let code = owner.invite(&chat.id, 0, false).await.unwrap().code;
    let channel = owner.channel("a_channel").await;
    for refused in [
        refusal(&crowded.join(&code).await),
        refusal(&crowded.follow(&channel.id).await),
        refusal(&crowded.create_group(request).await),
    ] {
        assert_eq!(refused, "TOO_MANY_CHATS");
    }
    // A direct chat is begun all the same; and so many chats still make a list.
    let direct = crowded.create(ada).await.unwrap();
    assert_eq!(crowded.list(0, "").await.unwrap().chats[0].id, direct.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_ten_thousand_wait_to_be_let_in() {
    let bed = Bed::new().await;
    let ada = bed.person();
    let owner = bed.client(0, ada);
    let chat = owner.group(&[]).await;
    let code = owner.invite(&chat.id, 0, true).await.unwrap().code;
    execute(
        &bed,
        format!(
            "INSERT INTO join_requests (chat_id, user_id, invite_code, requested_at)
             SELECT '{}', gen_random_uuid(), 'x', now() FROM generate_series(1, 10000)",
            chat.id
        ),
    )
    .await;
    assert_eq!(refusal(&bed.client(1, bed.person()).join(&code).await), "TOO_MANY_JOIN_REQUESTS");
    assert_eq!(owner.get(&chat.id).await.unwrap().join_request_count, 10_000);
    assert!(bed.neighbours.log_of(&ada.to_string()).is_empty(), "who was refused is told of to nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_has_fifty_admins_at_most_besides_its_owner() {
    let bed = Bed::new().await;
    let (ada, bob, carl) = (bed.person(), bed.person(), bed.person());
    let owner = bed.client(0, ada);
    let chat = owner.group(&[bob, carl]).await;
    execute(
        &bed,
        format!(
            "INSERT INTO members (chat_id, user_id, joined_at, role)
             SELECT '{}', gen_random_uuid(), now(), 'admin' FROM generate_series(1, 49)",
            chat.id
        ),
    )
    .await;
    owner.role(&chat.id, carl, pb::ChatRole::Admin).await.unwrap();
    assert_eq!(refusal(&owner.role(&chat.id, bob, pb::ChatRole::Admin).await), "TOO_MANY_ADMINS");
    assert_eq!(refusal(&owner.transfer(&chat.id, bob).await), "TOO_MANY_ADMINS", "the owner would be one more");
    owner.transfer(&chat.id, carl).await.unwrap();
    let owner = bed.client(1, carl);
    owner.role(&chat.id, ada, pb::ChatRole::Member).await.unwrap();
    owner.role(&chat.id, bob, pb::ChatRole::Admin).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_auth_cannot_be_asked_nobody_is_added() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let owner = bed.client(0, ada);
    let chat = owner.group(&[]).await;
    bed.neighbours.set_auth_down(true);
    assert_eq!(refusal(&owner.add(&chat.id, &[bob]).await), "AUTH_SERVICE_UNAVAILABLE");
    let request = api::CreateGroupRequest {
        title: "A group".to_owned(),
        member_ids: vec![bob.to_string()],
        ..Default::default()
    };
    assert_eq!(refusal(&owner.create_group(request).await), "AUTH_SERVICE_UNAVAILABLE");
    assert_eq!(bed.number("SELECT count(*) FROM members").await, 1);
    // A stranger learns nothing of people by way of a chat that is not theirs.
    assert_eq!(refusal(&bed.client(1, bob).add(&chat.id, &[ada]).await), "CHAT_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_piled_up_of_a_channel_is_told_together_and_in_order() {
    let bed = Bed::new().await;
    let owner = bed.client(0, bed.person());
    let channel = owner.channel("piling_up").await;
    let people: Vec<_> = (0..12).map(|_| bed.person()).collect();
    bed.neighbours.set_appends(Appends::Down);
    for (number, person) in people.iter().enumerate() {
        assert_eq!(refusal(&bed.client(number % 2, *person).follow(&channel.id).await), "CHAT_NOT_READY");
    }
    let fickle = bed.client(0, people[3]);
    assert_eq!(refusal(&fickle.leave(&channel.id).await), "CHAT_NOT_READY");
    bed.neighbours.set_appends(Appends::Answered);
    bed.clock.advance(Duration::from_secs(60));
    eventually(PATIENCE, || async { bed.number("SELECT count(*) FROM pending_updates").await == 0 }).await;
    let raises = bed.neighbours.raises_of(&channel.id);
    let shapes: Vec<_> = raises
        .iter()
        .map(|raise| (raise.joined_user_ids.len(), raise.left_user_ids.len(), raise.membership_version))
        .collect();
    // Both replicas may have told the first; who came and went again is never told in one.
    assert_eq!((shapes.first(), shapes.last()), (Some(&(12, 0, 1)), Some(&(0, 1, 2))), "{shapes:?}");
    assert_eq!(bed.neighbours.version_of(&channel.id), 2);
}
