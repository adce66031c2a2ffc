use godwit_contract::auth::v1::{Audience, GetUsersRequest, PrivacySettings, UpdateMeRequest};
use tonic::Code;

use crate::people::{Me, People};

const fn settings(audience: Audience) -> PrivacySettings {
    let number = audience as i32;
    PrivacySettings { last_seen: number, avatar: number, messages: number, calls: number, forwards: number }
}

#[tokio::test(flavor = "multi_thread")]
async fn privacy_is_open_until_it_is_changed_and_changes_where_the_request_says_so() {
    let people = People::new().await;
    let ada = people.person().await;
    assert_eq!(ada.privacy().await, settings(Audience::Everyone));
    let only_calls = PrivacySettings { calls: Audience::Nobody.into(), ..PrivacySettings::default() };
    let expected = PrivacySettings { calls: Audience::Nobody.into(), ..settings(Audience::Everyone) };
    assert_eq!(ada.set_privacy(only_calls).await.unwrap(), expected);
    let only_last_seen = PrivacySettings { last_seen: Audience::Friends.into(), ..PrivacySettings::default() };
    let expected = PrivacySettings { last_seen: Audience::Friends.into(), ..expected };
    assert_eq!(ada.set_privacy(only_last_seen).await.unwrap(), expected);
    assert_eq!(ada.set_privacy(PrivacySettings::default()).await.unwrap(), expected);
    assert_eq!(ada.privacy().await, expected);
    assert_eq!(people.person().await.privacy().await, settings(Audience::Everyone), "of others nothing changes");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_audience_is_refused_and_nothing_changes() {
    let people = People::new().await;
    let ada = people.person().await;
    for (field, changes) in [
        ("privacy.last_seen", PrivacySettings { last_seen: 4, ..PrivacySettings::default() }),
        ("privacy.calls", PrivacySettings { avatar: 3, calls: -1, ..PrivacySettings::default() }),
        ("privacy.forwards", PrivacySettings { forwards: 9, ..PrivacySettings::default() }),
    ] {
        let refused = ada.set_privacy(changes).await.unwrap_err();
        assert_eq!((refused.code, refused.fields[0].field.as_str()), (Code::InvalidArgument, field));
    }
    assert_eq!(ada.privacy().await, settings(Audience::Everyone));
}

/// The avatar that services are given of a user, for somebody to see.
async fn avatar_for(people: &People, viewer: &str, user: &Me) -> String {
    let request = GetUsersRequest { user_ids: vec![user.id.to_string()], viewer_id: viewer.to_owned() };
    let users = people.harness.replica.internal().get_users(request).await.unwrap().into_inner().users;
    users[0].avatar_media_id.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_avatar_shows_to_those_whom_its_owner_lets_see_it() {
    let people = People::new().await;
    let (ada, bob) = people.friends().await;
    let eve = people.person().await;
    let image = people.harness.cluster.neighbours.image_of(ada.id).to_string();
    ada.set_avatar(&image).await.unwrap();
    for (audience, friend_sees, stranger_sees) in
        [(Audience::Everyone, true, true), (Audience::Friends, true, false), (Audience::Nobody, false, false)]
    {
        let changes = PrivacySettings { avatar: audience.into(), ..PrivacySettings::default() };
        ada.set_privacy(changes).await.unwrap();
        for (viewer, sees) in [(&bob, friend_sees), (&eve, stranger_sees), (&ada, true)] {
            let expected = if sees { image.as_str() } else { "" };
            assert_eq!(viewer.see(ada.id).await.unwrap().0.avatar_media_id, expected, "{audience:?}");
            assert_eq!(viewer.see_named(&ada.username).await.unwrap().0.avatar_media_id, expected);
            assert_eq!(avatar_for(&people, &viewer.id.to_string(), &ada).await, expected);
        }
        assert_eq!(avatar_for(&people, "", &ada).await, image, "a service that hides by itself is given all");
        assert_eq!(ada.me().await.user.unwrap().avatar_media_id, image);
        let friends = bob.friends(0, "").await.unwrap().friends;
        let expected = if friend_sees { image.as_str() } else { "" };
        assert_eq!(friends[0].user.as_ref().unwrap().avatar_media_id, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_blocked_pair_each_sees_the_others_names_and_nothing_else() {
    let people = People::new().await;
    let (ada, bob) = people.pair().await;
    for me in [&ada, &bob] {
        me.set_avatar(people.harness.cluster.neighbours.image_of(me.id)).await.unwrap();
        me.update(UpdateMeRequest { bio: Some("Here.".to_owned()), ..UpdateMeRequest::default() }).await.unwrap();
    }
    ada.block(bob.id).await.unwrap();
    for (viewer, other) in [(&ada, &bob), (&bob, &ada)] {
        let (user, relationship) = viewer.see(other.id).await.unwrap();
        assert_eq!((user.username.as_str(), user.display_name.as_str()), (other.username.as_str(), "Ada"));
        assert_eq!((user.bio.as_str(), user.avatar_media_id.as_str()), ("", ""));
        assert_eq!(relationship.is_blocked, viewer.id == ada.id, "who is blocked is not told");
        assert_eq!(avatar_for(&people, &viewer.id.to_string(), other).await, "");
    }
    ada.unblock(bob.id).await.unwrap();
    assert_eq!(bob.see(ada.id).await.unwrap().0.bio, "Here.");
}
