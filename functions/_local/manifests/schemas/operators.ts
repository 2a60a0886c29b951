/** Schemas of operators whose definitions are not in a Go module: the fields that Knarr's manifests use, and no others. */
const text = { type: 'string', minLength: 1 };
const whole = { type: 'integer' };
const flag = { type: 'boolean' };
const labels = { type: 'object', additionalProperties: { type: 'string' } };
const quantity = { $ref: '#/definitions/io.k8s.apimachinery.pkg.api.resource.Quantity' };
const resources = { $ref: '#/definitions/io.k8s.api.core.v1.ResourceRequirements' };
const metadata = { $ref: '#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' };
const secretKey = object({ name: text, key: text }, ['name', 'key']);

function object(properties: Record<string, unknown>, required: readonly string[] = []) {
  return { type: 'object', properties, required };
}
const list = (items: unknown) => ({ type: 'array', items });
const oneOf = (...values: string[]) => ({ enum: values });
const custom = (spec: unknown) =>
  object({ apiVersion: text, kind: text, metadata, spec }, ['metadata', 'spec']);

const reference = object({ apiVersion: text, kind: text, name: text, namespace: text }, [
  'apiVersion',
  'kind',
  'name',
]);
const destination = object({ ref: reference, uri: text });
const delivery = object({
  retry: { type: 'integer', minimum: 0 },
  backoffPolicy: oneOf('linear', 'exponential'),
  backoffDelay: text,
  timeout: text,
  deadLetterSink: destination,
});

export const operators: Record<string, unknown> = {
  'postgresql.cnpg.io/v1/Cluster': custom(
    object(
      {
        description: text,
        imageName: text,
        instances: { type: 'integer', minimum: 1 },
        bootstrap: object({
          initdb: object({
            database: text,
            owner: text,
            dataChecksums: flag,
            postInitApplicationSQL: { type: 'array', items: text },
          }),
        }),
        postgresql: object({
          synchronous: object(
            {
              method: oneOf('any', 'first'),
              number: { type: 'integer', minimum: 1 },
              dataDurability: oneOf('required', 'preferred'),
            },
            ['method', 'number'],
          ),
          parameters: labels,
          pg_hba: list(text),
        }),
        primaryUpdateStrategy: oneOf('unsupervised', 'supervised'),
        storage: object({ size: quantity, storageClass: text }),
        walStorage: object({ size: quantity, storageClass: text }),
        resources,
        affinity: object({
          enablePodAntiAffinity: flag,
          podAntiAffinityType: oneOf('required', 'preferred'),
          topologyKey: text,
          nodeSelector: labels,
        }),
        inheritedMetadata: object({ labels, annotations: labels }),
        enableSuperuserAccess: flag,
        plugins: list(
          object({ name: text, enabled: flag, isWALArchiver: flag, parameters: labels }, ['name']),
        ),
      },
      ['instances', 'storage'],
    ),
  ),
  'postgresql.cnpg.io/v1/ScheduledBackup': custom(
    object(
      {
        schedule: text,
        immediate: flag,
        suspend: flag,
        backupOwnerReference: oneOf('none', 'self', 'cluster'),
        cluster: object({ name: text }, ['name']),
        method: oneOf('barmanObjectStore', 'volumeSnapshot', 'plugin'),
        pluginConfiguration: object({ name: text, parameters: labels }, ['name']),
      },
      ['schedule', 'cluster'],
    ),
  ),
  'barmancloud.cnpg.io/v1/ObjectStore': custom(
    object(
      {
        retentionPolicy: { type: 'string', pattern: '^[1-9][0-9]*[dwm]$' },
        configuration: object(
          {
            destinationPath: { type: 'string', pattern: '^[a-z0-9]+://' },
            endpointURL: text,
            s3Credentials: object({ accessKeyId: secretKey, secretAccessKey: secretKey, region: secretKey }),
            wal: object({
              compression: oneOf('bzip2', 'gzip', 'lz4', 'snappy', 'xz', 'zstd'),
              maxParallel: whole,
            }),
            data: object({
              compression: oneOf('bzip2', 'gzip', 'snappy'),
              jobs: whole,
              immediateCheckpoint: flag,
            }),
          },
          ['destinationPath'],
        ),
      },
      ['configuration'],
    ),
  ),
  'rabbitmq.com/v1beta1/RabbitmqCluster': custom(
    object({
      image: text,
      replicas: { type: 'integer', minimum: 0 },
      persistence: object({ storage: quantity, storageClassName: text }),
      resources,
      affinity: { $ref: '#/definitions/io.k8s.api.core.v1.Affinity' },
      rabbitmq: object({ additionalConfig: text, additionalPlugins: list(text) }),
      tls: object({ secretName: text, caSecretName: text, disableNonTLSListeners: flag }),
    }),
  ),
  'sources.knative.dev/v1/KafkaSource': custom(
    object(
      {
        bootstrapServers: { ...list(text), minItems: 1 },
        topics: { ...list(text), minItems: 1 },
        consumerGroup: text,
        consumers: { type: 'integer', minimum: 0 },
        ordering: oneOf('ordered', 'unordered'),
        initialOffset: oneOf('earliest', 'latest'),
        delivery,
        ceOverrides: object({ extensions: labels }),
        sink: destination,
        net: object({
          sasl: object({
            enable: flag,
            user: object({ secretKeyRef: secretKey }),
            password: object({ secretKeyRef: secretKey }),
            type: object({ secretKeyRef: secretKey }),
          }),
          tls: object({
            enable: flag,
            caCert: object({ secretKeyRef: secretKey }),
            cert: object({ secretKeyRef: secretKey }),
            key: object({ secretKeyRef: secretKey }),
          }),
        }),
      },
      ['bootstrapServers', 'topics', 'sink'],
    ),
  ),
};
