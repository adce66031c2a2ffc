//! A request that is made again under its `Idempotency-Key` makes nothing twice.

use std::time::Duration;

use futures_util::future::join_all;
use godwit_contract::chat::v1 as api;

use godwit_kernel::Clock as _;

use crate::harness::{Bed, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_under_a_key_is_made_once() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let clients = [bed.client(0, ada), bed.client(1, ada)].map(|client| client.under("\"a-key\""));
    let make = async |number: usize| {
        let client = &clients[number % 2];
        let group = client.group(&[]).await;
        let channel = client.under("another").channel("").await;
        let folder = api::CreateFolderRequest { title: "Work".to_owned(), chat_ids: vec![group.id.clone()] };
        let folder = client.create_folder(folder).await.unwrap().folder.unwrap();
        let invite = client.invite(&group.id, 1, true).await.unwrap();
        (group.id, channel.id, folder, invite.code)
    };
    let made = join_all((0..8).map(make)).await;
    assert!(made.iter().all(|one| *one == made[0]), "{made:?}");
    for (table, count) in [("chats WHERE kind IN ('group', 'channel')", 2), ("folders", 1), ("invites", 1)] {
        assert_eq!(bed.number(&format!("SELECT count(*) FROM {table}")).await, count, "{table}");
    }

    // It is what the caller made, as it is now, and nobody else's.
    let (group, _, folder, code) = &made[0];
    let rename =
        api::UpdateFolderRequest { folder_id: folder.id.clone(), title: Some("Play".to_owned()), ..Default::default() };
    clients[0].update_folder(rename).await.unwrap();
    let again = api::CreateFolderRequest { title: "Work".to_owned(), chat_ids: Vec::new() };
    assert_eq!(clients[1].create_folder(again.clone()).await.unwrap().folder.unwrap().title, "Play");
    let other = bed.client(0, bob).under("a-key");
    assert_ne!(other.create_folder(again).await.unwrap().folder.unwrap().id, folder.id);
    assert_ne!(other.group(&[]).await.id, *group);
    assert_ne!(clients[0].under("b-key").invite(group, 1, true).await.unwrap().code, *code);
    assert_ne!(bed.client(0, ada).invite(group, 1, true).await.unwrap().code, *code);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_is_made_once_also_when_its_end_has_come_near() {
    let bed = Bed::new().await;
    let owner = bed.client(0, bed.person());
    let chat = owner.group(&[]).await;
    let client = owner.under("a-key");
    let expires_at = Some(godwit_rpc::timestamp(bed.clock.now() + Duration::from_secs(65)));
    let request = || api::CreateInviteRequest { chat_id: chat.id.clone(), expires_at, ..Default::default() };
    let made = client.create_invite(request()).await.unwrap().invite.unwrap();
    bed.clock.advance(Duration::from_secs(10));
    assert_eq!(client.create_invite(request()).await.unwrap().invite.unwrap().code, made.code);
    assert_eq!(refusal(&owner.create_invite(request()).await), "INVALID_ARGUMENT");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_key_is_refused() {
    let bed = Bed::new().await;
    let client = bed.client(0, bed.person());
    for key in ["a b", "\"\"", &"k".repeat(65)] {
        let folder = api::CreateFolderRequest { title: "Work".to_owned(), chat_ids: Vec::new() };
        assert_eq!(refusal(&client.under(key).create_folder(folder).await), "INVALID_ARGUMENT", "{key}");
    }
    assert_eq!(bed.number("SELECT count(*) FROM folders").await, 0);
}
