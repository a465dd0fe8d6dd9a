"""The HTTP API: routes, problem documents, middleware and the OpenAPI document."""
