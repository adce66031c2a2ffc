//! Calls that ring phones, and what people do with nothing but what a notification says.

use godwit_contract::call::v1::{AcceptCallResponse, CreateCallResponse};
use godwit_contract::chat::v1::GetChatResponse;
use godwit_contract::message::v1::{GetMessageResponse, SendMessageResponse};
use godwit_contract::v1::{Call, CallState};
use godwit_testkit::{ClusterOptions, Shape, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use super::{PATIENCE, Phone, World, register, say};
use crate::support::{Account, fresh_uuid, send};

/// Two devices of one person, neither of which is connected.
struct Devices {
    /// With Apple's token for what is shown.
    iphone: Phone,
    /// Apple's token for calls, of the same device.
    voip_token: String,
    android: Account,
    google_token: String,
}

impl Devices {
    async fn of(world: &World, name: &str) -> Self {
        let iphone = world.person(name).await;
        let voip_token = fresh_uuid().replace('-', "");
        register(&iphone.account, "PUSH_PROVIDER_APNS_VOIP", &voip_token).await;
        let Account { username, email, .. } = &iphone.account;
        let android = Account::log_in(world.cluster.gateway(), username, email).await;
        let google_token = fresh_uuid();
        register(&android, "PUSH_PROVIDER_FCM", &google_token).await;
        Self { iphone, voip_token, android, google_token }
    }

    /// What Apple was told for calls, and what Google was told at all, in the order it came.
    fn told(&self, world: &World) -> [Vec<Value>; 2] {
        let by_apple = world.apple.at(&self.voip_token).into_iter().map(|pushed| {
            assert_eq!((pushed.push_type.as_str(), pushed.priority.as_str()), ("voip", "10"));
            pushed.payload["godwit"].clone()
        });
        [by_apple.collect(), world.google.at(&self.google_token).into_iter().map(|pushed| pushed.data).collect()]
    }

    /// What each of the two is told of a call, once it is told that.
    async fn hear(&self, world: &World, call: &Call, kind: &str) -> [Value; 2] {
        eventually(PATIENCE, async || {
            let told = self.told(world);
            let found = told.each_ref().map(|told| told.iter().find(|data| is_of(data, call) && data["kind"] == kind));
            match found {
                [Some(apple), Some(google)] => Ok([apple.clone(), google.clone()]),
                _ => Err(format!("{kind}: {told:?}")),
            }
        })
        .await
    }

    /// The kinds of all that the two were told of a call.
    fn kinds(&self, world: &World, call: &Call) -> [Vec<String>; 2] {
        self.told(world).map(|told| {
            let of_call = told.iter().filter(|data| is_of(data, call));
            of_call.map(|data| data["kind"].as_str().unwrap().to_owned()).collect()
        })
    }
}

fn is_of(data: &Value, call: &Call) -> bool {
    data["call_id"].as_str() == Some(call.id.as_str())
}

async fn ring(caller: &Account, callee: &Phone) -> Call {
    let body = json!({"callee_id": callee.account.user_id, "media": "CALL_MEDIA_VIDEO", "call_id": fresh_uuid()});
    caller.rest.post("/calls", body).await.created::<CreateCallResponse>().call.unwrap()
}

/// Accepts, cancels or ends. All answers are a call and nothing else.
async fn act(person: &Account, call_id: &str, action: &str) -> Call {
    let answer = person.rest.post(&format!("/calls/{call_id}/{action}"), json!({})).await;
    answer.ok::<AcceptCallResponse>().call.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn phones_ring_and_their_notifications_are_enough_to_answer_by() {
    let world = World::start(ClusterOptions::new(Shape::Embedded)).await;
    let ada = Account::create(&world.cluster, "ada").await;
    let bob = Devices::of(&world, "bob").await;
    // Who calls has a chat with whom they call.
    ada.chat_with(&bob.iphone.account).await;
    a_call_rings_the_phones(&world, &ada, &bob).await;
    a_message_is_read_and_answered(&world, &ada, &bob).await;
}

async fn a_call_rings_the_phones(world: &World, ada: &Account, bob: &Devices) {
    let answered = ring(ada, &bob.iphone).await;
    let rings = bob.hear(world, &answered, "call_ringing").await;
    for data in &rings {
        assert_eq!((&data["caller_id"], &data["caller_name"]), (&json!(ada.user_id), &json!("ada")));
        assert_eq!(data["media"], "video");
    }
    let urgency = world.google.at(&bob.google_token).first().map(|pushed| pushed.android["priority"].clone());
    assert_eq!(urgency, Some(json!("HIGH")));

    // One answers, by what it was told; the other stops.
    let [_, data] = &rings;
    let accepted = act(&bob.android, data["call_id"].as_str().unwrap(), "accept").await;
    assert_eq!((accepted.state(), &accepted.callee_device_id), (CallState::Accepted, &bob.android.device_id));
    let stops = async || {
        let [apple, _] = bob.told(world);
        apple.into_iter().find(|data| is_of(data, &answered) && data["kind"] == "call_over")
    };
    assert_eq!(eventually(PATIENCE, stops).await["state"], "accepted");
    act(ada, &answered.id, "end").await;

    // Nobody answers, and who calls gives up: both stop.
    let given_up = ring(ada, &bob.iphone).await;
    bob.hear(world, &given_up, "call_ringing").await;
    act(ada, &given_up.id, "cancel").await;
    for data in bob.hear(world, &given_up, "call_over").await {
        assert_eq!(data["state"], "cancelled");
    }

    // What would have come of the first call more than once came before the end of the second.
    let [apple, google] = bob.kinds(world, &answered);
    assert_eq!(
        (apple, google),
        (vec!["call_ringing".to_owned(), "call_over".to_owned()], vec!["call_ringing".to_owned()])
    );
    let shown = world.apple.at(&bob.iphone.token);
    assert!(shown.iter().all(|pushed| pushed.payload["godwit"]["call_id"].is_null()), "calls ring, and are not shown");
}

async fn a_message_is_read_and_answered(world: &World, ada: &Account, bob: &Devices) {
    let chat_id = ada.chat_with(&bob.iphone.account).await.id;
    say(ada, &chat_id, "are you there").await;
    world.arrival(&bob.iphone, "are you there").await;
    let message =
        async || world.google.at(&bob.google_token).into_iter().find(|pushed| pushed.data["text"] == "are you there");
    let data = eventually(PATIENCE, message).await.data;
    let actions: Vec<String> = serde_json::from_str(data["actions"].as_str().unwrap()).unwrap();
    assert_eq!(
        (data["kind"].as_str().unwrap(), actions),
        ("message_created", vec!["reply".to_owned(), "mark_read".to_owned()])
    );

    // Marked read on the one, it goes from the other.
    let path = format!("/messages/{}/read", data["message_id"].as_str().unwrap());
    send(bob.android.rest.request(Method::POST, &path)).await.ok::<Value>();
    let path = format!("/chats/{}", data["chat_id"].as_str().unwrap());
    let unread = async || bob.android.rest.get(&path).await.ok::<GetChatResponse>().chat.unwrap().unread_count;
    eventually(PATIENCE, async || unread().await == 0).await;
    eventually(PATIENCE, async || {
        let told = world.apple.at(&bob.iphone.token);
        told.iter().map(|pushed| &pushed.payload["godwit"]).any(|told| {
            told["kind"] == "chat_read" && told["chat_id"] == data["chat_id"] && told["read_seq"] == data["seq"]
        })
    })
    .await;

    let asked = say(ada, &chat_id, "come over").await;
    let pushed = world.arrival(&bob.iphone, "come over").await;
    assert_eq!(pushed.payload["aps"]["category"], "MESSAGE");
    let data = &pushed.payload["godwit"];
    let path = format!("/chats/{}/messages", data["chat_id"].as_str().unwrap());
    let reply = json!({
        "client_message_id": fresh_uuid(),
        "text": "on my way",
        "reply_to_message_id": data["message_id"],
    });
    let sent: SendMessageResponse = bob.iphone.account.rest.post(&path, reply).await.created();
    let sent = sent.message.unwrap();
    let reply_to = sent.reply_to.as_ref().unwrap();
    assert_eq!((&reply_to.message_id, reply_to.snippet.as_str()), (&asked.id, "come over"));
    let told: GetMessageResponse = ada.rest.get(&format!("/messages/{}", sent.id)).await.ok();
    assert_eq!(told.message, Some(sent));
}
