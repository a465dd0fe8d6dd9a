package csvpipe.s3standin;

import com.amazonaws.services.s3.AmazonS3;
import com.amazonaws.services.s3.model.AbortMultipartUploadRequest;
import com.amazonaws.services.s3.model.CannedAccessControlList;
import com.amazonaws.services.s3.model.CompleteMultipartUploadRequest;
import com.amazonaws.services.s3.model.InitiateMultipartUploadRequest;
import com.amazonaws.services.s3.model.ObjectMetadata;
import com.amazonaws.services.s3.model.PartETag;
import com.amazonaws.services.s3.model.PutObjectRequest;
import com.amazonaws.services.s3.model.StorageClass;
import com.amazonaws.services.s3.model.UploadPartRequest;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.nifi.processors.aws.s3.AmazonS3EncryptionService;

/**
 * Writes one object, in one request or in parts, and says what was written as FlowFile attributes.
 *
 * <p>A multipart upload that breaks off is aborted: it starts anew at the next try. (Apache's keeps it and goes on.)
 */
public record ObjectWriter(AmazonS3 s3, String bucket, String key, ObjectMetadata metadata, StorageClass storageClass,
    CannedAccessControlList acl, Optional<AmazonS3EncryptionService> encryption) {

  public Map<String, String> put(final InputStream content) {
    final PutObjectRequest request = new PutObjectRequest(bucket, key, content, metadata)
        .withStorageClass(storageClass).withCannedAcl(acl);
    encryption.ifPresent(service -> service.configurePutObjectRequest(request, metadata));
    return written("putobject", s3.putObject(request).getETag());
  }

  public Map<String, String> putInParts(final InputStream content, final long partBytes) {
    final InitiateMultipartUploadRequest start = new InitiateMultipartUploadRequest(bucket, key, metadata)
        .withStorageClass(storageClass).withCannedACL(acl);
    encryption.ifPresent(service -> service.configureInitiateMultipartUploadRequest(start, metadata));
    final String uploadId = s3.initiateMultipartUpload(start).getUploadId();
    try {
      final List<PartETag> parts = sendParts(content, partBytes, uploadId);
      final String etag = s3.completeMultipartUpload(
          new CompleteMultipartUploadRequest(bucket, key, uploadId, parts)).getETag();
      final Map<String, String> attributes = written("multipartupload", etag);
      attributes.put("s3.uploadId", uploadId);
      return attributes;
    } catch (final RuntimeException failure) {
      abort(uploadId, failure);
      throw failure;
    }
  }

  private List<PartETag> sendParts(final InputStream content, final long partBytes, final String uploadId) {
    final long total = metadata.getContentLength();
    final List<PartETag> parts = new ArrayList<>();
    for (long sent = 0; sent < total; sent += partBytes) {
      final UploadPartRequest part = new UploadPartRequest()
          .withBucketName(bucket).withKey(key).withUploadId(uploadId)
          .withPartNumber(parts.size() + 1)
          .withPartSize(Math.min(partBytes, total - sent))
          .withLastPart(sent + partBytes >= total)
          .withInputStream(content);
      encryption.ifPresent(service -> service.configureUploadPartRequest(part, metadata));
      parts.add(s3.uploadPart(part).getPartETag());
    }
    return parts;
  }

  private void abort(final String uploadId, final RuntimeException failure) {
    try {
      s3.abortMultipartUpload(new AbortMultipartUploadRequest(bucket, key, uploadId));
    } catch (final RuntimeException alsoFailed) {
      failure.addSuppressed(alsoFailed);
    }
  }

  private Map<String, String> written(final String method, final String etag) {
    final Map<String, String> attributes = new LinkedHashMap<>();
    attributes.put("s3.apimethod", method);
    attributes.put("s3.bucket", bucket);
    attributes.put("s3.key", key);
    attributes.put("s3.etag", etag);
    attributes.put("s3.storeClass", storageClass.toString());
    if (metadata.getContentType() != null) {
      attributes.put("s3.contenttype", metadata.getContentType());
    }
    if (metadata.getSSEAlgorithm() != null) {
      attributes.put("s3.sseAlgorithm", metadata.getSSEAlgorithm());
    }
    encryption.ifPresent(service -> attributes.put("s3.encryptionStrategy", service.getStrategyName()));
    attributes.put("s3.url", s3.getUrl(bucket, key).toString());
    return attributes;
  }
}
