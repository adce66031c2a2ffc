use godwit_contract::media::v1::{
    CompleteUploadRequest, CompleteUploadResponse, CreateUploadRequest, CreateUploadResponse, GetMediaResponse,
    GetMediaUrlResponse,
};
use godwit_kernel::MediaId;

use crate::client::Client;
use crate::error::Error;

impl Client {
    /// `POST /media/uploads`: announces an object and gets an address to PUT it to.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_upload(&self, request: &CreateUploadRequest) -> Result<CreateUploadResponse, Error> {
        self.call_with(self.http().post(&["media", "uploads"]), request).await
    }

    /// `POST /media/uploads/{id}/complete`: has the uploaded object verified.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn complete_upload(&self, media_id: MediaId) -> Result<CompleteUploadResponse, Error> {
        // The id is in the path.
        let request = CompleteUploadRequest::default();
        self.call_with(self.http().post(&["media", "uploads", &media_id.to_string(), "complete"]), &request).await
    }

    /// `GET /media/{id}`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_media(&self, media_id: MediaId) -> Result<GetMediaResponse, Error> {
        self.call(self.http().get(&["media", &media_id.to_string()])).await
    }

    /// `GET /media/{id}/url`: an address to fetch the object from.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_media_url(&self, media_id: MediaId) -> Result<GetMediaUrlResponse, Error> {
        self.call(self.http().get(&["media", &media_id.to_string(), "url"])).await
    }
}
