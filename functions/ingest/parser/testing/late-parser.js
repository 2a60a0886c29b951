// The reader, with a library in it that throws while a document is read that says NOW, or the one after a document that says LATER.
await import('../../../../dist/workers/parser.js');
const fail = () => {
  throw new Error('of a library');
};
let later = false;
process.prependListener('message', ({ bytes }) => {
  if (bytes === undefined) return;
  const text = Buffer.from(bytes).toString();
  if (later || text.includes('NOW')) process.nextTick(fail);
  later = text.includes('LATER');
});
