/** The function that both func runtimes run: says what it was told, as JSON or as an event. */
export const handle = (context, input) =>
  context.cloudevent
    ? context
        .cloudEventResponse({ ...input.data, chunks: 1, generation: 'g' })
        .version('1.0')
        .id(input.id)
        .type('dev.knarr.document.indexed.v1')
        .source('/knarr/embed')
        .response()
    : input;
