use godwit_contract::media::v1::{
    AbortUploadResponse, CompleteUploadRequest, CompleteUploadResponse, CreateUploadRequest, CreateUploadResponse,
    GetMediaResponse, GetMediaUrlResponse, GetThumbnailUrlResponse, ListUploadPartsResponse, ThumbnailSize,
};
use godwit_kernel::MediaId;

use crate::client::Client;
use crate::error::Error;

impl Client {
    /// `POST /media/uploads`: announces an object and gets an address to PUT it to, or how many parts it comes in.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_upload(&self, request: &CreateUploadRequest) -> Result<CreateUploadResponse, Error> {
        self.call_with(self.http().post(&["media", "uploads"]), request).await
    }

    /// `GET /media/uploads/{id}/parts`: addresses for parts from number `from` on, and which are there; at most 64.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_upload_parts(&self, media_id: MediaId, from: u32) -> Result<ListUploadPartsResponse, Error> {
        let target = self.http().get(&["media", "uploads", &media_id.to_string(), "parts"]);
        self.call(target.query_unless_zero("from", from.into())).await
    }

    /// `POST /media/uploads/{id}/complete`: has the uploaded object looked at. With the ETags of its parts in their order,
    /// when it came in parts. What takes longer than a moment is still `PROCESSING` in the answer: [`Self::get_media`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn complete_upload(
        &self,
        media_id: MediaId,
        part_etags: Vec<String>,
    ) -> Result<CompleteUploadResponse, Error> {
        // The id is in the path.
        let request = CompleteUploadRequest { media_id: String::new(), part_etags };
        self.call_with(self.http().post(&["media", "uploads", &media_id.to_string(), "complete"]), &request).await
    }

    /// `DELETE /media/uploads/{id}`: gives an upload up that is not complete.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn abort_upload(&self, media_id: MediaId) -> Result<AbortUploadResponse, Error> {
        self.call(self.http().delete(&["media", "uploads", &media_id.to_string()])).await
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

    /// `GET /media/{id}/thumbnail`: an address to fetch a small picture from.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_thumbnail_url(
        &self,
        media_id: MediaId,
        size: ThumbnailSize,
    ) -> Result<GetThumbnailUrlResponse, Error> {
        let target = self.http().get(&["media", &media_id.to_string(), "thumbnail"]);
        self.call(target.query("size", size.as_str_name())).await
    }
}
