package csvpipe.s3standin;

import com.amazonaws.ClientConfiguration;
import com.amazonaws.auth.AWSCredentialsProvider;
import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.services.s3.AmazonS3;
import com.amazonaws.services.s3.AmazonS3ClientBuilder;
import java.util.concurrent.TimeUnit;
import org.apache.nifi.processor.ProcessContext;
import org.apache.nifi.processors.aws.credentials.provider.service.AWSCredentialsProviderService;

/** Makes the S3 client that a processor's properties describe. */
public final class S3Clients {

  private S3Clients() {
  }

  public static AmazonS3 of(final ProcessContext context) {
    final AWSCredentialsProvider credentials = context.getProperty(S3Properties.CREDENTIALS)
        .asControllerService(AWSCredentialsProviderService.class).getCredentialsProvider();
    final int timeoutMs = context.getProperty(S3Properties.TIMEOUT).asTimePeriod(TimeUnit.MILLISECONDS).intValue();
    final ClientConfiguration http = new ClientConfiguration()
        .withMaxConnections(context.getMaxConcurrentTasks())
        .withMaxErrorRetry(0)  // NiFi retries: by the retried relationships of the processor, with backoff
        .withUserAgentPrefix("csvpipe-nifi-s3-standin")
        .withConnectionTimeout(timeoutMs)
        .withSocketTimeout(timeoutMs);
    final AmazonS3ClientBuilder builder = AmazonS3ClientBuilder.standard()
        .withCredentials(credentials)
        .withClientConfiguration(http)
        .withPathStyleAccessEnabled(context.getProperty(S3Properties.PATH_STYLE).asBoolean())
        .withChunkedEncodingDisabled(!context.getProperty(S3Properties.CHUNKED_ENCODING).asBoolean());
    final String region = context.getProperty(S3Properties.REGION).getValue();
    final String endpoint = context.getProperty(S3Properties.ENDPOINT).evaluateAttributeExpressions().getValue();
    if (endpoint == null || endpoint.isBlank()) {
      builder.withRegion(region);
    } else {
      builder.withEndpointConfiguration(new EndpointConfiguration(endpoint.strip(), region));
    }
    return builder.build();
  }
}
