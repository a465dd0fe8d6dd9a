package org.apache.nifi.processors.aws.credentials.provider.service;

import com.amazonaws.auth.AWSCredentialsProvider;
import com.amazonaws.auth.AWSStaticCredentialsProvider;
import com.amazonaws.auth.AnonymousAWSCredentials;
import com.amazonaws.auth.BasicAWSCredentials;
import com.amazonaws.auth.DefaultAWSCredentialsProviderChain;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.apache.nifi.annotation.documentation.CapabilityDescription;
import org.apache.nifi.annotation.documentation.Tags;
import org.apache.nifi.annotation.lifecycle.OnEnabled;
import org.apache.nifi.components.PropertyDescriptor;
import org.apache.nifi.components.Validator;
import org.apache.nifi.components.ValidationContext;
import org.apache.nifi.components.ValidationResult;
import org.apache.nifi.controller.AbstractControllerService;
import org.apache.nifi.controller.ConfigurationContext;
import org.apache.nifi.expression.ExpressionLanguageScope;

/**
 * Credentials from two properties, anonymous, or by the SDK's default chain.
 *
 * <p>With neither key set the service is valid and uses the default chain, as Apache's does: a secret parameter that was
 * not set shows only when an object is put.
 */
@Tags({"aws", "credentials", "provider", "stand-in"})
@CapabilityDescription("STAND-IN of csvpipe for Apache NiFi's AWSCredentialsProviderControllerService: access key and "
    + "secret key, anonymous, or the default chain. No profiles, no roles.")
public class AWSCredentialsProviderControllerService extends AbstractControllerService
    implements AWSCredentialsProviderService {

  static final PropertyDescriptor DEFAULT_CREDENTIALS =
      flag("default-credentials", "Use Default Credentials", "Ask the default chain: environment, files, roles.");
  static final PropertyDescriptor ACCESS_KEY = secret("Access Key", "Access Key ID");
  static final PropertyDescriptor SECRET_KEY = secret("Secret Key", "Secret Access Key");
  static final PropertyDescriptor ANONYMOUS_CREDENTIALS =
      flag("anonymous-credentials", "Use Anonymous Credentials", "Do not sign requests.");

  private static final List<PropertyDescriptor> PROPERTIES =
      List.of(DEFAULT_CREDENTIALS, ACCESS_KEY, SECRET_KEY, ANONYMOUS_CREDENTIALS);

  private volatile AWSCredentialsProvider provider;

  @Override
  protected List<PropertyDescriptor> getSupportedPropertyDescriptors() {
    return PROPERTIES;
  }

  @Override
  protected Collection<ValidationResult> customValidate(final ValidationContext context) {
    final List<ValidationResult> faults = new ArrayList<>();
    if (context.getProperty(ACCESS_KEY).isSet() != context.getProperty(SECRET_KEY).isSet()) {
      faults.add(new ValidationResult.Builder().subject("Access Key").valid(false)
          .explanation("Access Key and Secret Key must be set together").build());
    }
    return faults;
  }

  @OnEnabled
  public void chooseProvider(final ConfigurationContext context) {
    final String accessKey = context.getProperty(ACCESS_KEY).evaluateAttributeExpressions().getValue();
    final String secretKey = context.getProperty(SECRET_KEY).evaluateAttributeExpressions().getValue();
    if (accessKey != null && secretKey != null) {
      provider = new AWSStaticCredentialsProvider(new BasicAWSCredentials(accessKey, secretKey));
    } else if (context.getProperty(ANONYMOUS_CREDENTIALS).asBoolean()) {
      provider = new AWSStaticCredentialsProvider(new AnonymousAWSCredentials());
    } else {
      provider = new DefaultAWSCredentialsProviderChain();
    }
  }

  @Override
  public AWSCredentialsProvider getCredentialsProvider() {
    return provider;
  }

  private static PropertyDescriptor flag(final String name, final String displayName, final String description) {
    return new PropertyDescriptor.Builder().name(name).displayName(displayName).description(description)
        .allowableValues("true", "false").defaultValue("false").required(false).build();
  }

  private static PropertyDescriptor secret(final String name, final String displayName) {
    return new PropertyDescriptor.Builder().name(name).displayName(displayName).description(displayName)
        .sensitive(true).required(false).addValidator(Validator.VALID)
        .expressionLanguageSupported(ExpressionLanguageScope.ENVIRONMENT).build();
  }
}
