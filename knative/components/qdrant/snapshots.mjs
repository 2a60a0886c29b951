// Takes a snapshot of every collection on every node of QDRANT_NODES and deletes all but the newest SNAPSHOTS_KEPT.
// Exits with 1 when any of that failed, after having tried the rest.
const { QDRANT_NODES = '', QDRANT_API_KEY = '', SNAPSHOTS_KEPT = '7' } = process.env;
const kept = Number(SNAPSHOTS_KEPT);

async function ask(node, path, method = 'GET') {
  const response = await fetch(node + path, {
    method,
    headers: { 'api-key': QDRANT_API_KEY },
    // A snapshot of a large collection takes a while.
    signal: AbortSignal.timeout(60 * 60_000),
  });
  if (!response.ok)
    throw new Error(`${method} ${path}: ${response.status} ${(await response.text()).slice(0, 300)}`);
  return (await response.json()).result;
}

async function keep(node, collection) {
  const path = `/collections/${encodeURIComponent(collection)}/snapshots`;
  const made = await ask(node, path, 'POST');
  console.log(JSON.stringify({ node, collection, snapshot: made.name, bytes: made.size }));
  // A name is collection, node and time. S3 lists the other nodes' snapshots too: each node cleans up its own.
  const own = made.name.replace(/\d{4}(-\d{2}){5}\.snapshot$/, '');
  const all = (await ask(node, path)).map(({ name }) => name).filter((name) => name.startsWith(own));
  const old = all.sort().slice(0, -kept);
  for (const name of old) await ask(node, `${path}/${encodeURIComponent(name)}`, 'DELETE');
}

for (const node of QDRANT_NODES.split(',').filter(Boolean)) {
  try {
    const { collections } = await ask(node, '/collections');
    for (const { name } of collections) {
      await keep(node, name).catch((error) => {
        console.error(JSON.stringify({ node, collection: name, error: error.message }));
        process.exitCode = 1;
      });
    }
  } catch (error) {
    console.error(JSON.stringify({ node, error: `${error.message}: ${error.cause?.message ?? ''}` }));
    process.exitCode = 1;
  }
}
