//! All public channels in pages, for whoever keeps an index of them.

use godwit_contract::chat::v1 as api;
use godwit_contract::chat::v1::directory_internal_service_server::DirectoryInternalService as _;
use tonic::{Code, Request, Status};

use crate::harness::Bed;

async fn page(bed: &Bed, after: &str, limit: u32) -> Result<api::ListPublicChannelsResponse, Status> {
    let request = api::ListPublicChannelsRequest { after_chat_id: after.to_owned(), limit };
    Ok(bed.replicas[1].server.list_public_channels(Request::new(request)).await?.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_public_channel_is_listed_once_in_pages_and_nothing_else_is() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let client = bed.client(0, ada);
    client.group(&[bob]).await;
    client.create(bob).await.unwrap();
    client.channel("").await;
    let mut public = Vec::new();
    for handle in ["Plovers", "terns", "knots", "curlews", "stints"] {
        public.push(client.channel(handle).await);
    }
    let (hidden, gone) = (public.remove(3), public.remove(1));
    let hide =
        api::UpdateChatRequest { chat_id: hidden.id, handle: Some(String::new()), ..api::UpdateChatRequest::default() };
    client.update_chat(hide).await.unwrap();
    client.delete_chat(api::DeleteChatRequest { chat_id: gone.id }).await.unwrap();

    let (mut listed, mut after) = (Vec::new(), String::new());
    loop {
        let page = page(&bed, &after, 2).await.unwrap();
        assert!(!page.channels.is_empty() && page.channels.len() <= 2);
        listed.extend(page.channels.into_iter().map(|channel| (channel.chat_id, channel.info.unwrap().handle)));
        after = listed.last().unwrap().0.clone();
        if !page.has_more {
            break;
        }
    }
    let mut expected: Vec<(String, String)> =
        public.into_iter().map(|chat| (chat.id, chat.info.unwrap().handle)).collect();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    assert_eq!(listed.len(), 3);
    assert!(page(&bed, &after, 0).await.unwrap().channels.is_empty());
    assert_eq!(page(&bed, "nowhere", 0).await.unwrap_err().code(), Code::InvalidArgument);
}
