use godwit_kernel::Entropy;
use godwit_rpc::ServiceError as _;
use godwit_search::app::MessageSearch;
use godwit_testkit::TestEntropy;

use crate::world::{World, asked, texts};

#[tokio::test(flavor = "multi_thread")]
async fn only_members_find_a_message() {
    let world = World::new().await;
    let (ada, eve) = (world.user(), world.user());
    let chat_id = world.chat_of(&[ada]);
    world.chat_of(&[eve]);
    world.index(chat_id, 2, "the godwit flies far").await;
    assert_eq!(world.search(ada, "godwit").await, ["the godwit flies far"]);
    assert!(world.search(eve, "godwit").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_finds_nothing_more() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    world.index(chat_id, 2, "secret plan").await;
    world.chats.leave(chat_id, ada);
    assert!(world.search(ada, "plan").await.is_empty());
    let within = MessageSearch { chat_id: Some(chat_id), ..asked("plan") };
    assert_eq!(world.app.search_messages(ada, &within).await.unwrap_err().reason(), "CHAT_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn words_phrases_and_exclusions_are_understood() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    world.index(chat_id, 2, "Blue sky over red sea").await;
    world.index(chat_id, 3, "red sky at night").await;
    assert_eq!(world.search(ada, "SKY red").await, ["red sky at night", "Blue sky over red sea"]);
    assert_eq!(world.search(ada, "\"red sky\"").await, ["red sky at night"]);
    assert_eq!(world.search(ada, "red -night").await, ["Blue sky over red sea"]);
    for hostile in ["'", "& | !", "((", "\"", ":*", "\\"] {
        assert!(world.search(ada, hostile).await.is_empty(), "{hostile}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_every_hit_once_and_newest_first() {
    let world = World::new().await;
    let ada = world.user();
    let chats = [world.chat_of(&[ada]), world.chat_of(&[ada]), world.chat_of(&[ada])];
    let mut written = Vec::new();
    for seq in 2..9 {
        for chat_id in chats {
            let text = format!("tide {}", written.len());
            world.index(chat_id, seq, &text).await;
            written.push(text);
        }
    }
    let (mut found, mut search) = (Vec::new(), MessageSearch { limit: 4, ..asked("tide") });
    loop {
        let hits = world.app.search_messages(ada, &search).await.unwrap();
        assert!(hits.hits.len() <= 4);
        found.extend(texts(&hits));
        let Some(next) = hits.next else { break };
        search.after = Some(next);
    }
    written.reverse();
    assert_eq!(found, written);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_chat_can_be_searched_alone() {
    let world = World::new().await;
    let ada = world.user();
    let (one, other) = (world.chat_of(&[ada]), world.chat_of(&[ada]));
    world.index(one, 2, "wind here").await;
    world.index(other, 2, "wind there").await;
    let within = MessageSearch { chat_id: Some(one), ..asked("wind") };
    assert_eq!(texts(&world.app.search_messages(ada, &within).await.unwrap()), ["wind here"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_finds_what_was_said_before() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[]);
    world.index(chat_id, 2, "an old story").await;
    assert!(world.search(ada, "story").await.is_empty());
    world.chats.join(chat_id, ada);
    assert_eq!(world.search(ada, "story").await, ["an old story"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_without_a_word_that_must_be_there_finds_nothing() {
    let world = World::new().await;
    let ada = world.user();
    world.index(world.chat_of(&[ada]), 2, "calm sea").await;
    for q in ["-storm", "-storm -wind", "!!!", "👍", "-\"calm sea\"", "or"] {
        assert!(world.search(ada, q).await.is_empty(), "{q}");
    }
    assert_eq!(world.search(ada, "sea -storm").await, ["calm sea"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_language_is_found_by_its_words() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    for (seq, text, q) in [
        (2, "Grüße aus Köln", "KÖLN"),
        (3, "привет мир", "Привет"),
        (4, "γειά σου Κόσμε", "κόσμε"),
        (5, "see https://example.org/path now", "example.org"),
    ] {
        world.index(chat_id, seq, text).await;
        assert_eq!(world.search(ada, q).await, [text], "{q}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_query_is_an_error_of_the_database() {
    const CHARACTERS: [char; 24] = [
        '"', '\'', '\\', '&', '|', '!', '(', ')', ':', '*', '<', '>', '-', '%', '_', '$', ';', ' ', 'a', 'é', '字',
        '\u{200f}', '\u{7f}', '👍',
    ];
    let world = World::new().await;
    let ada = world.user();
    world.index(world.chat_of(&[ada]), 2, "a").await;
    let entropy = TestEntropy::seeded(7);
    let entropy: &dyn Entropy = &entropy;
    for _ in 0..300 {
        let length = 1 + entropy.below(40);
        let draw = |_| CHARACTERS.get(usize::try_from(entropy.below(24)).unwrap()).unwrap();
        let q: String = std::iter::once(&'a').chain((0..length).map(draw)).collect();
        assert!(world.app.search_messages(ada, &asked(&q)).await.is_ok(), "{q:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hit_that_comes_between_two_pages_repeats_none() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = world.chat_of(&[ada]);
    for seq in 2..6 {
        world.index(chat_id, seq, &format!("tide {seq}")).await;
    }
    let first = world.app.search_messages(ada, &MessageSearch { limit: 2, ..asked("tide") }).await.unwrap();
    assert_eq!(texts(&first), ["tide 5", "tide 4"]);
    world.index(chat_id, 6, "tide 6").await;
    let rest = MessageSearch { limit: 2, after: first.next, ..asked("tide") };
    let rest = world.app.search_messages(ada, &rest).await.unwrap();
    assert_eq!(texts(&rest), ["tide 3", "tide 2"]);
    assert_eq!(rest.next, None);
}
