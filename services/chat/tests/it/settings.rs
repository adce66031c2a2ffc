//! What one person sets for their chats: nobody else sees it, their own log and devices do.

use std::time::Duration;

use futures_util::future::join_all;
use godwit_contract::chat::v1 as api;
use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change;
use godwit_kernel::{ChatId, Clock as _, MessageId, Seq, UserId};
use godwit_rpc::timestamp;

use crate::harness::{Bed, Client, refusal};
use crate::neighbours::Appends;

fn own_log(bed: &Bed, user_id: UserId) -> Vec<Change> {
    bed.neighbours.changes_of(&user_id.to_string()).into_iter().skip(1).collect()
}

async fn mute(
    client: &Client,
    chat_id: &str,
    until: Option<time::OffsetDateTime>,
) -> Result<pb::ChatSettings, tonic::Status> {
    let request = api::MuteChatRequest { chat_id: chat_id.to_owned(), until: until.map(timestamp) };
    Ok(client.mute_chat(request).await?.settings.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_is_muted_until_an_instant_or_for_ever() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let client = bed.client(0, ada);
    let chat = client.create(bob).await.unwrap();
    let until = bed.clock.now() + time::Duration::HOUR;
    let hour = pb::ChatSettings { muted_until: Some(timestamp(until)), ..Default::default() };
    for _ in 0..2 {
        assert_eq!(mute(&client, &chat.id, Some(until)).await.unwrap(), hour);
    }
    assert_eq!(client.get(&chat.id).await.unwrap().settings.unwrap(), hour);
    assert_eq!(bed.client(1, bob).get(&chat.id).await.unwrap().settings.unwrap(), pb::ChatSettings::default());
    bed.clock.advance(Duration::from_secs(3_600));
    assert_eq!(client.get(&chat.id).await.unwrap().settings.unwrap(), pb::ChatSettings::default(), "it is over");

    let for_ever = pb::ChatSettings { is_muted_forever: true, ..Default::default() };
    assert_eq!(mute(&client, &chat.id, None).await.unwrap(), for_ever);
    bed.clock.advance(Duration::from_secs(1_000_000_000));
    assert_eq!(client.get(&chat.id).await.unwrap().settings.unwrap(), for_ever);
    let unmute = api::UnmuteChatRequest { chat_id: chat.id.clone() };
    assert_eq!(client.unmute_chat(unmute).await.unwrap().settings.unwrap(), pb::ChatSettings::default());
    let changes = own_log(&bed, ada);
    let changed = |settings| {
        Change::ChatSettingsChanged(pb::ChatSettingsChanged { chat_id: chat.id.clone(), settings: Some(settings) })
    };
    assert_eq!(changes, [changed(hour), changed(for_ever), changed(pb::ChatSettings::default())]);
    assert_eq!(bed.neighbours.log_of(&chat.id).len(), 1, "the chat's log does not tell");
    for past in [bed.clock.now(), time::OffsetDateTime::UNIX_EPOCH] {
        assert_eq!(refusal(&mute(&client, &chat.id, Some(past)).await), "INVALID_ARGUMENT");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_chat_is_listed_with_the_archived_ones() {
    let bed = Bed::new().await;
    let (ada, bob, carl) = (bed.person(), bed.person(), bed.person());
    let client = bed.client(0, ada);
    let (with_bob, with_carl) = (client.create(bob).await.unwrap(), client.create(carl).await.unwrap());
    let archive = api::ArchiveChatRequest { chat_id: with_bob.id.clone() };
    assert!(client.archive_chat(archive).await.unwrap().settings.unwrap().is_archived);
    let list = async |is_archived: bool| {
        let request = api::ListChatsRequest { is_archived, ..Default::default() };
        let chats = client.list_chats(request).await.unwrap().chats;
        chats.into_iter().map(|chat| chat.id).collect::<Vec<_>>()
    };
    assert_eq!(list(true).await, [with_bob.id.as_str()]);
    assert_eq!(list(false).await, [ada.to_string(), with_carl.id.clone()], "Saved Messages hold the private log");
    let unarchive = api::UnarchiveChatRequest { chat_id: with_bob.id.clone() };
    client.unarchive_chat(unarchive).await.unwrap();
    assert!(list(true).await.is_empty());
    assert_eq!(list(false).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_reaches_the_persons_devices_and_nobody_else() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let client = bed.client(0, ada);
    let chat = client.create(bob).await.unwrap();
    let (mut adas, mut bobs) = (bed.gateway_of(ada).await, bed.gateway_of(bob).await);
    let reply = MessageId { chat_id: chat.id.parse().unwrap(), seq: Seq::new(3).unwrap() }.to_string();
    let bold = pb::MessageEntity { kind: pb::EntityKind::Bold.into(), offset: 0, length: 2, ..Default::default() };
    let request = api::SetDraftRequest {
        chat_id: chat.id.clone(),
        text: "😀 well".to_owned(),
        entities: vec![bold],
        reply_to_message_id: reply,
    };
    let draft = client.set_draft(request.clone()).await.unwrap().draft.unwrap();
    assert_eq!(adas.told_draft().await, draft);
    assert_eq!((draft.text.as_str(), draft.updated_at), ("😀 well", Some(timestamp(bed.clock.now()))));
    let kept = client.get_draft(api::GetDraftRequest { chat_id: chat.id.clone() }).await.unwrap().draft;
    assert_eq!((kept.as_ref(), client.get(&chat.id).await.unwrap().draft.as_ref()), (Some(&draft), Some(&draft)));
    assert_eq!(bed.client(1, bob).get(&chat.id).await.unwrap().draft, None);
    assert!(bobs.was_told_nothing() && own_log(&bed, ada).is_empty(), "it is in no log");

    let delete = api::DeleteDraftRequest { chat_id: chat.id.clone() };
    client.delete_draft(delete.clone()).await.unwrap();
    let gone = adas.told_draft().await;
    assert_eq!((gone.text.as_str(), gone.chat_id.as_str()), ("", chat.id.as_str()));
    client.delete_draft(delete).await.unwrap();
    assert!(adas.was_told_nothing());
    assert_eq!(client.get_draft(api::GetDraftRequest { chat_id: chat.id.clone() }).await.unwrap().draft, None);

    let other = MessageId { chat_id: ChatId::from_uuid(ada.as_uuid()), seq: Seq::new(3).unwrap() }.to_string();
    for bad in [
        api::SetDraftRequest { text: String::new(), entities: Vec::new(), ..request.clone() },
        api::SetDraftRequest { text: "x".repeat(4_097), ..request.clone() },
        api::SetDraftRequest {
            entities: vec![pb::MessageEntity { length: 1, ..bold_of(&request) }],
            ..request.clone()
        },
        api::SetDraftRequest { entities: vec![pb::MessageEntity { kind: 99, ..bold_of(&request) }], ..request.clone() },
        api::SetDraftRequest { entities: vec![bold_of(&request); 101], ..request.clone() },
        api::SetDraftRequest {
            entities: vec![pb::MessageEntity { url: "x".repeat(2_000), ..bold_of(&request) }; 5],
            ..request.clone()
        },
        api::SetDraftRequest { reply_to_message_id: other, ..request.clone() },
        api::SetDraftRequest { reply_to_message_id: "x".to_owned(), ..request.clone() },
    ] {
        assert_eq!(refusal(&client.set_draft(bad).await), "INVALID_ARGUMENT");
    }
}

fn bold_of(request: &api::SetDraftRequest) -> pb::MessageEntity {
    request.entities[0].clone()
}

async fn folders(client: &Client) -> Vec<(String, Vec<String>)> {
    let all = client.list_folders(api::ListFoldersRequest {}).await.unwrap().folders;
    all.into_iter().map(|folder| (folder.title, folder.chat_ids)).collect()
}

async fn folder(client: &Client, title: &str, chat_ids: &[String]) -> Result<pb::Folder, tonic::Status> {
    let request = api::CreateFolderRequest { title: title.to_owned(), chat_ids: chat_ids.to_vec() };
    Ok(client.create_folder(request).await?.folder.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_are_kept_in_order_and_each_change_tells_all_of_them() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let client = bed.client(0, ada);
    let (one, two) = (client.create(bob).await.unwrap().id, client.group(&[]).await.id);
    let work = folder(&client, "Work", &[two.clone(), one.clone()]).await.unwrap();
    folder(&client, "Home", &[]).await.unwrap();
    folder(&client, "Rest", &[]).await.unwrap();
    let update = |change: api::UpdateFolderRequest| {
        client.update_folder(api::UpdateFolderRequest { folder_id: work.id.clone(), ..change })
    };
    update(api::UpdateFolderRequest { position: Some(1), ..Default::default() }).await.unwrap();
    let changed = api::UpdateFolderRequest {
        title: Some("Works".to_owned()),
        chat_ids: vec![one.clone()],
        replaces_chats: true,
        position: Some(99),
        ..Default::default()
    };
    for _ in 0..2 {
        update(changed.clone()).await.unwrap();
    }
    let expected = [("Home", vec![]), ("Rest", vec![]), ("Works", vec![one.clone()])];
    assert_eq!(folders(&client).await, expected.map(|(title, ids)| (title.to_owned(), ids)));
    let log = own_log(&bed, ada);
    let Some(Change::FoldersChanged(last)) = log.last() else { panic!("not folders") };
    assert_eq!((log.len(), last.folders.len()), (5, 3), "what is as it was makes no update");

    let listed = api::ListChatsRequest { folder_id: work.id.clone(), ..Default::default() };
    let listed = client.list_chats(listed).await.unwrap().chats;
    assert_eq!(listed.into_iter().map(|chat| chat.id).collect::<Vec<_>>(), [one]);
    client.delete_folder(api::DeleteFolderRequest { folder_id: work.id.clone() }).await.unwrap();
    assert_eq!(folders(&client).await.len(), 2);
    for answer in [
        refusal(&client.delete_folder(api::DeleteFolderRequest { folder_id: work.id.clone() }).await),
        refusal(&update(changed.clone()).await),
        refusal(&client.list_chats(api::ListChatsRequest { folder_id: work.id.clone(), ..Default::default() }).await),
    ] {
        assert_eq!(answer, "FOLDER_NOT_FOUND");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_has_bounds_and_only_chats_of_its_owner() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let client = bed.client(0, ada);
    let mine = client.group(&[]).await.id;
    let foreign = bed.client(0, bob).group(&[]).await.id;
    assert_eq!(refusal(&folder(&client, "x", std::slice::from_ref(&foreign)).await), "CHAT_NOT_FOUND");
    for (title, chats) in [
        ("", vec![]),
        (&*"x".repeat(65), vec![]),
        ("x", vec![mine.clone(), mine.clone()]),
        ("x", vec![mine.clone(); 201]),
        ("x", vec!["x".to_owned()]),
    ] {
        assert_eq!(refusal(&folder(&client, title, &chats).await), "INVALID_ARGUMENT");
    }
    let clients = [bed.client(0, ada), bed.client(1, ada)];
    let made = join_all((0..24).map(|number| folder(&clients[number % 2], "x", &[]))).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 20);
    assert!(made.iter().all(|made| made.is_ok() || refusal(made) == "TOO_MANY_FOLDERS"));
    // Another's folder is none.
    let id = made.into_iter().find_map(Result::ok).unwrap().id;
    let delete = api::DeleteFolderRequest { folder_id: id };
    assert_eq!(refusal(&bed.client(0, bob).delete_folder(delete).await), "FOLDER_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_set_for_a_chat_goes_with_the_membership() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let owner = bed.client(0, ada);
    let chat = owner.group(&[bob]).await;
    let client = bed.client(1, bob);
    mute(&client, &chat.id, None).await.unwrap();
    let draft = api::SetDraftRequest { chat_id: chat.id.clone(), text: "almost".to_owned(), ..Default::default() };
    client.set_draft(draft).await.unwrap();
    folder(&client, "Work", std::slice::from_ref(&chat.id)).await.unwrap();
    owner.remove(&chat.id, bob).await.unwrap();
    assert_eq!(folders(&client).await, [("Work".to_owned(), vec![])]);
    let log = own_log(&bed, bob);
    assert!(matches!(&log[log.len() - 2..], [Change::ChatLeft(_), Change::FoldersChanged(_)]), "{log:?}");
    for refused in [
        refusal(&mute(&client, &chat.id, None).await),
        refusal(&client.get_draft(api::GetDraftRequest { chat_id: chat.id.clone() }).await),
    ] {
        assert_eq!(refused, "CHAT_NOT_FOUND");
    }
    owner.add(&chat.id, &[bob]).await.unwrap();
    let again = client.get(&chat.id).await.unwrap();
    assert_eq!((again.draft, again.settings.unwrap()), (None, pb::ChatSettings::default()));
}

#[tokio::test(flavor = "multi_thread")]
async fn saved_messages_are_ones_own_and_made_when_they_are_needed() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let client = bed.client(0, ada);
    assert!(client.list(0, "").await.unwrap().chats.is_empty());
    let saved = client.get_saved_messages(api::GetSavedMessagesRequest {}).await.unwrap().chat.unwrap();
    assert_eq!(
        (saved.id.clone(), saved.kind(), saved.my_role()),
        (ada.to_string(), pb::ChatKind::Saved, pb::ChatRole::Owner)
    );
    assert_eq!(client.get(&saved.id).await.unwrap(), saved);
    assert_eq!(refusal(&bed.client(1, bob).get(&saved.id).await), "CHAT_NOT_FOUND");
    mute(&client, &saved.id, None).await.unwrap();
    for refused in [
        refusal(&client.leave(&saved.id).await),
        refusal(&client.add(&saved.id, &[bob]).await),
        refusal(&client.invite(&saved.id, 0, false).await),
    ] {
        assert!(["WRONG_CHAT_KIND", "CHAT_RIGHT_MISSING"].contains(&refused.as_str()), "{refused}");
    }
    client.delete_chat(api::DeleteChatRequest { chat_id: saved.id.clone() }).await.unwrap();
    assert_eq!(bed.neighbours.cleared(), [(saved.id.clone(), saved.id.clone())]);
    client.get(&saved.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_message_service_a_setting_is_kept_and_asking_again_is_right() {
    let bed = Bed::new().await;
    let ada = bed.person();
    let client = bed.client(0, ada);
    let chat = client.group(&[]).await;
    bed.neighbours.set_appends(Appends::Down);
    for _ in 0..2 {
        assert_eq!(refusal(&mute(&client, &chat.id, None).await), "CHAT_NOT_READY");
    }
    bed.neighbours.set_appends(Appends::Answered);
    assert!(mute(&client, &chat.id, None).await.unwrap().is_muted_forever);
    assert_eq!(own_log(&bed, ada).len(), 1);
}
