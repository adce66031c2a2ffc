use std::time::Duration;

use futures_util::future::join_all;
use godwit_contract::auth::v1::{RegisterRequest, UpdateMeRequest};
use godwit_contract::events::v1::account_event::Event;
use godwit_kernel::{MediaId, SystemClock, SystemEntropy};
use godwit_testkit::unique;
use tonic::Code;

use crate::harness::{PASSWORD, Person, device, failure};
use crate::people::{People, next, reason};

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_changes_where_the_request_says_so() {
    let people = People::new().await;
    let (ada, bob) = (people.person().await, people.person().await);
    let mut events = people.events();
    let request = UpdateMeRequest { bio: text(" Counts.\nAlways. "), ..UpdateMeRequest::default() };
    let user = ada.update(request).await.unwrap();
    assert_eq!((user.bio.as_str(), user.display_name.as_str()), ("Counts.\nAlways.", "Ada"));
    assert_eq!(next(&mut events).await, changed(&user));
    let request = UpdateMeRequest { display_name: text("Countess"), ..UpdateMeRequest::default() };
    let user = ada.update(request).await.unwrap();
    assert_eq!((user.bio.as_str(), user.display_name.as_str()), ("Counts.\nAlways.", "Countess"));
    assert_eq!(next(&mut events).await, changed(&user));
    assert_eq!(bob.see(ada.id).await.unwrap().0, user);
    assert_eq!(ada.me().await.user.unwrap(), user);
    // What changes nothing is no event: the next one is of what comes after.
    ada.update(UpdateMeRequest::default()).await.unwrap();
    ada.update(UpdateMeRequest { bio: text("Counts.\nAlways."), ..UpdateMeRequest::default() }).await.unwrap();
    let user = ada.update(UpdateMeRequest { bio: text(""), ..UpdateMeRequest::default() }).await.unwrap();
    assert_eq!(user.bio, "");
    assert_eq!(next(&mut events).await, changed(&user));
}

fn changed(user: &godwit_contract::v1::User) -> Event {
    Event::ProfileChanged(godwit_contract::events::v1::ProfileChanged { user: Some(user.clone()) })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_field_of_a_profile_is_named_and_nothing_changes() {
    let people = People::new().await;
    let ada = people.person().await;
    let before = ada.me().await;
    let request = UpdateMeRequest { display_name: text(" "), bio: text(&"x".repeat(257)), username: text("a b") };
    let refused = ada.update(request).await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (Code::InvalidArgument, "INVALID_ARGUMENT"));
    let fields: Vec<&str> = refused.fields.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["display_name", "bio", "username"]);
    let request = UpdateMeRequest { display_name: text("Fine"), bio: text("a\0b"), ..UpdateMeRequest::default() };
    assert_eq!(ada.update(request).await.unwrap_err().fields[0].field, "bio");
    assert_eq!(ada.me().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_username_frees_the_old_one_at_once() {
    let people = People::new().await;
    let (ada, bob) = (people.person().await, people.person().await);
    let name = unique("countess_");
    assert_eq!(ada.rename(&name.to_uppercase()).await.unwrap().username, name);
    assert_eq!(bob.see_named(&name).await.unwrap().0.id, ada.id.to_string());
    assert_eq!(reason(&bob.see_named(&ada.username).await), "USER_NOT_FOUND");
    assert_eq!(bob.rename(&ada.username).await.unwrap().username, ada.username);
    assert_eq!(ada.see_named(&ada.username).await.unwrap().0.id, bob.id.to_string());
    // A name of one's own that looks like the one before is no theft.
    let twin = name.replace("countess", "c0untess");
    assert_eq!(ada.rename(&twin).await.unwrap().username, twin);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_logs_in_and_the_old_one_does_not() {
    let people = People::new().await;
    let (person, device_of_ada, login) = people.harness.session().await;
    let name = unique("countess_");
    let request = UpdateMeRequest { username: Some(name.clone()), ..UpdateMeRequest::default() };
    let request = crate::harness::as_caller(&login, &device_of_ada, request);
    people.harness.replica.users().update_me(request).await.unwrap();
    people.harness.login(&name, PASSWORD, &device()).await.unwrap();
    let refused = people.harness.login(&person.username, PASSWORD, &device()).await.unwrap_err();
    assert_eq!(refused.reason, "BAD_CREDENTIALS");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_somebody_has_or_that_looks_like_it_is_taken() {
    let people = People::new().await;
    let (_, eve) = (people.named("bill_burn0").await, people.person().await);
    for name in ["bill_burn0", "Bill_Burn0", "b1ll_burno", "biil_bum0", "bi1l_bumo"] {
        let refused = eve.rename(name).await.unwrap_err();
        assert_eq!((refused.code, refused.reason.as_str()), (Code::AlreadyExists, "USERNAME_TAKEN"), "{name}");
        let request = RegisterRequest { username: name.to_owned(), ..Person::new().register_request() };
        let refused = failure(people.harness.auth().register(request).await.unwrap_err());
        assert_eq!(refused.reason, "USERNAME_TAKEN", "{name}");
    }
    eve.rename("bill_burn2").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn reserved_names_are_nobodys() {
    let people = People::new().await;
    let ada = people.person().await;
    for name in ["admin", "a_dm1n", "G0DW1T", "supp0rt", "everyone", "null", "deleted_018f"] {
        let refused = ada.rename(name).await.unwrap_err();
        assert_eq!((refused.code, refused.reason.as_str()), (Code::AlreadyExists, "USERNAME_RESERVED"), "{name}");
        let request = RegisterRequest { username: name.to_owned(), ..Person::new().register_request() };
        let refused = failure(people.harness.auth().register(request).await.unwrap_err());
        assert_eq!(refused.reason, "USERNAME_RESERVED", "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_a_registration_holds_is_taken_until_it_ends() {
    let people = People::new().await;
    let ada = people.person().await;
    let waiting = Person { username: unique("b0b_"), ..Person::new() };
    people.harness.register(&waiting).await.unwrap();
    let twin = waiting.username.replace("b0b", "bob");
    for name in [&waiting.username, &twin] {
        assert_eq!(reason(&ada.rename(name).await), "USERNAME_TAKEN");
        let other = Person { username: name.clone(), ..Person::new() };
        assert_eq!(people.harness.register(&other).await.unwrap_err().reason, "USERNAME_TAKEN");
    }
    people.harness.advance(Duration::from_secs(24 * 3_600));
    ada.rename(&twin).await.unwrap();
    let other = Person { username: waiting.username, ..Person::new() };
    assert_eq!(people.harness.register(&other).await.unwrap_err().reason, "USERNAME_TAKEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_may_be_made_again_with_a_name_that_looks_like_its_own() {
    let people = People::new().await;
    let first = Person { username: unique("b0b_"), ..Person::new() };
    people.harness.register(&first).await.unwrap();
    people.harness.cluster.mailbox.code(&first.email).await;
    people.harness.advance(Duration::from_secs(61));
    let second = Person { username: first.username.replace("b0b", "bob"), ..first.clone() };
    people.harness.register(&second).await.unwrap();
    let code = people.harness.cluster.mailbox.wait_for(&first.email, 2).await.code().unwrap();
    people.harness.verify(&first.email, &code).await.unwrap();
    let login = people.harness.login(&first.email, PASSWORD, &device()).await.unwrap();
    assert_eq!(login.user.unwrap().username, second.username);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_take_names_that_look_alike_at_once_one_gets_hers() {
    let people = People::new().await;
    let end = unique("_");
    let names = ["lilo", "li1o", "l1lo", "lil0", "1ilo", "iilo"].map(|name| format!("{name}{end}"));
    let persons = join_all(names.iter().map(|_| people.person())).await;
    let answers = join_all(persons.iter().zip(&names).map(|(person, name)| person.rename(name))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for answer in answers.iter().filter(|answer| answer.is_err()) {
        assert_eq!(reason(answer), "USERNAME_TAKEN");
    }
    // Those who got none still have the one they had.
    for (person, answer) in persons.iter().zip(&answers) {
        let name = answer.as_ref().map_or(&person.username, |user| &user.username);
        assert_eq!(person.see_named(name).await.unwrap().0.id, person.id.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_ones_own_becomes_the_avatar() {
    let people = People::new().await;
    let (ada, bob) = (people.person().await, people.person().await);
    let neighbours = &people.harness.cluster.neighbours;
    let mut events = people.events();
    let image = neighbours.image_of(ada.id);
    let user = ada.set_avatar(image).await.unwrap();
    assert_eq!(user.avatar_media_id, image.to_string());
    assert_eq!(neighbours.avatar_of(ada.id), Some(image));
    assert_eq!(next(&mut events).await, changed(&user));
    assert_eq!(bob.see(ada.id).await.unwrap().0, user);
    // Once more changes nothing and is no event.
    assert_eq!(ada.set_avatar(image).await.unwrap(), user);
    ada.remove_avatar().await.unwrap();
    assert_eq!(neighbours.avatar_of(ada.id), None);
    let user = ada.me().await.user.unwrap();
    assert_eq!((user.avatar_media_id.as_str(), next(&mut events).await), ("", changed(&user)));
    ada.remove_avatar().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_image_of_ones_own_becomes_no_avatar() {
    let people = People::new().await;
    let (ada, bob) = (people.person().await, people.person().await);
    let neighbours = &people.harness.cluster.neighbours;
    let unknown = MediaId::generate(&SystemClock, &SystemEntropy);
    for media_id in [unknown, neighbours.image_of(bob.id)] {
        let refused = ada.set_avatar(media_id).await.unwrap_err();
        assert_eq!((refused.code, refused.reason.as_str()), (Code::NotFound, "MEDIA_NOT_FOUND"));
    }
    let refused = ada.set_avatar(neighbours.document_of(ada.id)).await.unwrap_err();
    assert_eq!((refused.http_status(), refused.reason.as_str()), (409, "MEDIA_NOT_AN_IMAGE"));
    assert_eq!(ada.set_avatar("x").await.unwrap_err().fields[0].field, "media_id");
    let image = neighbours.image_of(ada.id);
    neighbours.set_down(true);
    let refused = ada.set_avatar(image).await.unwrap_err();
    assert_eq!((refused.http_status(), refused.reason.as_str()), (503, "MEDIA_UNAVAILABLE"));
    assert_eq!(reason(&ada.remove_avatar().await), "MEDIA_UNAVAILABLE");
    assert_eq!(ada.me().await.user.unwrap().avatar_media_id, "");
    neighbours.set_down(false);
    ada.set_avatar(image).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changes_an_avatar_at_once_profile_and_media_agree() {
    let people = People::new().await;
    let ada = people.person().await;
    let neighbours = &people.harness.cluster.neighbours;
    for _ in 0..10 {
        let images = [(); 3].map(|()| neighbours.image_of(ada.id));
        let answers = join_all(images.iter().map(|image| ada.set_avatar(image))).await;
        assert!(answers.iter().any(Result::is_ok));
        // One that met others all the time says so, and is made again.
        for (answer, image) in answers.iter().zip(&images) {
            if answer.is_err() {
                assert_eq!(reason(answer), "AVATAR_CHANGED_MEANWHILE");
                ada.set_avatar(image).await.unwrap();
            }
        }
        let shown = ada.me().await.user.unwrap().avatar_media_id;
        assert_eq!(neighbours.avatar_of(ada.id).unwrap().to_string(), shown);
    }
}
