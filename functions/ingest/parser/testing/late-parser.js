// The reader, with a library in it that throws after a document that says LATE has been read, or while one is that says AT ONCE.
await import('../../../../dist/workers/parser.js');
process.prependListener('message', ({ bytes }) => {
  const text = bytes && Buffer.from(bytes).toString();
  const fail = () => {
    throw new Error('of a library');
  };
  if (text?.includes('AT ONCE')) process.nextTick(fail);
  if (text?.includes('LATE')) setTimeout(fail, 50);
});
