SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  // The validator is a public server: it is told nothing.
  validatorUrl: null,
});
