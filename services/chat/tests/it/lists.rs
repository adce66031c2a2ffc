use godwit_contract::chat::v1::UpdateChatRequest;
use godwit_testkit::eventually;
use tonic::Code;

use crate::harness::{Bed, PATIENCE, reason, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn chats_are_listed_newest_first_in_pages() {
    let bed = Bed::new().await;
    let ada = bed.person();
    let client = bed.client(0, ada);
    let mut made = Vec::new();
    for _ in 0..23 {
        bed.clock.advance(std::time::Duration::from_millis(5));
        made.push(client.create(bed.person()).await.unwrap().id);
    }
    made.reverse();
    let (mut listed, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = client.list(10, &cursor).await.unwrap();
        assert!(page.chats.len() <= 10);
        listed.extend(page.chats.into_iter().map(|chat| chat.id));
        pages += 1;
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!((listed, pages), (made, 3));
    assert!(bed.client(0, bed.person()).list(0, "").await.unwrap().chats.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_chat_tells_its_peer_its_head_and_what_was_said_last() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let chat = bed.client(0, ada).create(bob).await.unwrap();
    let said = bed.neighbours.say(chat.id.parse().unwrap(), "hello");
    let [listed] = bed.client(1, bob).list(0, "").await.unwrap().chats.try_into().unwrap();
    assert_eq!(listed.peer.as_ref().unwrap().id, ada.to_string());
    assert_eq!((listed.seq, listed.epoch.as_str(), listed.last_message.as_ref()), (2, "epoch", Some(&said)));
    assert_eq!(bed.client(1, bob).get(&chat.id).await.unwrap(), listed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_while_a_chat_is_asked_for_is_shown_or_comes_after_its_seq() {
    let bed = Bed::new().await;
    let client = bed.client(0, bed.person());
    let chat = client.group(&[bed.person()]).await;
    for (updates, title) in [(2, "Second"), (3, "Third")] {
        let held = bed.neighbours.hold_heads();
        let ask = async {
            if updates == 2 {
                client.get(&chat.id).await
            } else {
                client.list(0, "").await.map(|mut page| page.chats.remove(0))
            }
        };
        let change = async {
            held.is_asked.notified().await;
            let request =
                UpdateChatRequest { chat_id: chat.id.clone(), title: Some(title.to_owned()), ..Default::default() };
            client.update_chat(request).await.unwrap();
            eventually(PATIENCE, async || bed.neighbours.log_of(&chat.id).len() == updates).await;
            held.may_answer.notify_one();
        };
        let (shown, ()) = tokio::join!(ask, change);
        let shown = shown.unwrap();
        assert_eq!((shown.seq, shown.info.unwrap().title.as_str()), (updates as u64, title));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_page_of_200_is_the_largest() {
    let bed = Bed::new().await;
    let ada = bed.person();
    let client = bed.client(0, ada);
    for _ in 0..201 {
        client.create(bed.person()).await.unwrap();
    }
    let page = client.list(10_000, "").await.unwrap();
    assert_eq!(page.chats.len(), 200);
    assert_eq!(client.list(0, &page.next_cursor).await.unwrap().chats.len(), 1);
    assert_eq!(client.list(0, "").await.unwrap().chats.len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_garbage_is_refused() {
    let bed = Bed::new().await;
    let client = bed.client(0, bed.person());
    for garbage in ["x", "AAAAAAAAAAAAAAAAAAAAAAA", &"A".repeat(10_000)] {
        let refused = client.list(0, garbage).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "INVALID_CURSOR"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chat_with_the_newest_message_is_first() {
    let bed = Bed::new().await;
    let ada = bed.person();
    let client = bed.client(0, ada);
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(client.group(&[]).await.id);
    }
    bed.neighbours.say(ids[1].parse().unwrap(), "hello");
    bed.neighbours.say(ids[3].parse().unwrap(), "hello");
    let expected = [3, 1, 4, 2, 0].map(|place: usize| ids[place].clone());
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.list(2, &cursor).await.unwrap();
        listed.extend(page.chats.into_iter().map(|chat| chat.id));
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(listed, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_whose_log_does_not_know_its_viewer_yet_is_not_shown() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let client = bed.client(0, ada);
    let (group, channel) = (client.group(&[bob]).await, client.channel("").await);
    let direct = client.create(bob).await.unwrap();
    bed.neighbours.know_nobody(true);
    for unknown in [&group.id, &channel.id] {
        let refused = client.get(unknown).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "CHAT_NOT_READY"));
        assert_eq!(refusal(&bed.client(0, bed.person()).get(unknown).await), "CHAT_NOT_FOUND");
    }
    let listed: Vec<String> = client.list(0, "").await.unwrap().chats.into_iter().map(|chat| chat.id).collect();
    assert_eq!(listed, std::slice::from_ref(&direct.id), "in direct chats of before there is none that knows");
    assert_eq!(client.get(&direct.id).await.unwrap().id, direct.id);
    bed.neighbours.know_nobody(false);
    assert_eq!(client.list(0, "").await.unwrap().chats.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_tells_what_the_message_service_knows_of_its_viewer() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let client = bed.client(0, ada);
    let group = client.group(&[bob]).await;
    let seen = client.get(&group.id).await.unwrap();
    assert_eq!((seen.unread_count, seen.unread_mention_count, seen.read_seq), (11, 5, 1));
    assert_eq!((seen.pinned_message_ids.as_slice(), seen.visible_from_seq), (["pin".to_owned()].as_slice(), 2));
    assert_eq!(seen.receipts[0].user_id, ada.to_string(), "a small group tells who has read");
    assert!(client.channel("").await.receipts.is_empty(), "a channel does not");
    let listed = client.list(0, "").await.unwrap().chats;
    assert!(listed.iter().all(|chat| chat.receipts.is_empty()), "in lists, only direct chats do");
}
