use godwit_testkit::TestDb;

use crate::command::Godwit;

#[tokio::test]
async fn migrating_twice_is_as_good_as_once() {
    let db = TestDb::empty().await;
    let godwit = Godwit::on(&db);
    for _ in 0..2 {
        let said = godwit.run(&["migrate"]).await;
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        for schema in ["auth", "chat", "message", "media", "presence", "call", "push", "search", "events"] {
            assert!(said.line("migrated: ").contains(schema), "{}", said.stdout);
        }
    }
}

#[tokio::test]
async fn only_the_schemas_of_the_named_services_are_migrated() {
    let db = TestDb::empty().await;
    let said = Godwit::on(&db).run(&["migrate", "--target=push,gateway"]).await;
    assert_eq!(said.line("migrated: "), "push, events");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let said = Godwit::alone().run(&["migrate"]).await;
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("GODWIT_DATABASE_URL"), "{}", said.stderr);
    let said = Godwit::alone().with("GODWIT_DATABASE_URL", "postgres://x:secret@127.0.0.1:1/x").run(&["migrate"]).await;
    assert!(said.stderr.contains("GODWIT_DATABASE_ROLE_PASSWORD"), "{}", said.stderr);
}

#[tokio::test]
async fn a_database_that_is_down_is_said_without_its_password() {
    let godwit = Godwit::alone()
        .with("GODWIT_DATABASE_URL", "postgres://someone:hunter2@127.0.0.1:1/godwit")
        .with("GODWIT_DATABASE_ROLE_PASSWORD", "hunter3");
    let said = godwit.run(&["migrate"]).await;
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("refused") && !said.stderr.contains("hunter"), "{}", said.stderr);
}
