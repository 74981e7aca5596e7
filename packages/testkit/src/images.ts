/** Where the program of a test server comes from. */
export interface ServerImage {
  /** The official image, by version and digest. The digest is that of the list of all platforms. */
  readonly official: string;
  /** What stands in for it where no image registry can be reached: built by images/build.sh of Sluice's repository. */
  readonly local: string;
  /** The version that images/build.sh builds. */
  readonly version: string;
}

/**
 * The one place where the versions of test servers are written down, by the folder of the connector that needs them, and the
 * major version where tests run on several.
 */
export const serverImages: { readonly [name in 'kafka' | 'postgres-15' | 'postgres-18']: ServerImage } = {
  kafka: image('apache/kafka', '4.3.1', 'sha256:77e3df9054047a88b520d0cc46e16696d3b22022e1d580aeccd2632df6532837'),
  // The official images are not older than what these tests need; the ones built here have the patch release of the day.
  'postgres-15': image('postgres', '15.14', 'sha256:822f8795764a670160640888508b2a68ea5c4b045012c2de17e1d0447bdbdc99'),
  'postgres-18': image('postgres', '18.1', 'sha256:1090bc3a8ccfb0b55f78a494d76f8d603434f7e4553543d6e807bc7bd6bbd17f'),
};

function image(name: string, version: string, digest: string): ServerImage {
  const [program] = name.split('/').slice(-1);
  return { official: `${name}:${version}@${digest}`, local: `sluice-test/${program}:${version}`, version };
}
