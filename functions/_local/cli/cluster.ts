import { type Command, Option } from 'commander';
import type { DeployOptions } from './commands/deploy.ts';
import type { PublishOptions } from './commands/publish.ts';
import { interruption } from './interrupt.ts';
import type { Output } from './output.ts';

interface Tools {
  output(): Output;
  examples(command: Command, lines: string[]): Command;
}

/** `knarr deploy`, `knarr doctor` and `knarr publish`. */
export function clusterCommands(program: Command, { output, examples }: Tools): void {
  examples(
    program
      .command('deploy')
      .description('apply an overlay with kubectl; every command is shown before it runs')
      .argument('<overlay>', 'one of knative/overlays or knative/variants, or a folder of your own')
      .option('--context <name>', "the cluster, by kubectl's context")
      .option('--dry-run', 'show the commands, run none')
      .option('--registry <registry>', 'for the variant functions: where kn func puts its images')
      .option(
        '--timeout <duration>',
        "how long to wait for every stage (the overlay's longest progress-deadline)",
      )
      .action(async (overlay: string, options: DeployOptions) => {
        const { deploy } = await import('./commands/deploy.ts');
        process.exitCode = await deploy(output(), overlay, options);
      }),
    [
      'knarr deploy local',
      'knarr deploy production --dry-run',
      'knarr deploy functions --registry registry.example.com/knarr',
    ],
  );

  examples(
    program
      .command('doctor')
      .description('whether a cluster has what an overlay needs and is well; exit code 1 when not')
      .argument('[overlay]', 'as for deploy', 'cpu')
      .option('--context <name>', "the cluster, by kubectl's context")
      .action(async (overlay: string, options: { context?: string }) => {
        const { doctor } = await import('./commands/doctor.ts');
        process.exitCode = await doctor(output(), overlay, options);
      }),
    ['knarr doctor production', 'knarr doctor gpu --json | jq \'.findings[] | select(.status != "ok")\''],
  );

  examples(
    program
      .command('publish')
      .description('documents from a stream of NDJSON to a Broker, as events')
      .argument('<stream>', 'its address, or - (standard input)')
      .addOption(new Option('--sink <url>', "the Broker's ingress").env('K_SINK').makeOptionMandatory())
      .option('-t, --tenant <name>', 'whose documents they are', 'default')
      .option('--once', 'end with the stream instead of reading it again')
      .option('--every <duration>', 'how often it is read when it has come to its end', '60s')
      .action(async (stream: string, options: PublishOptions) => {
        const { publish } = await import('./commands/publish.ts');
        process.exitCode = await publish(output(), stream, options, interruption());
      }),
    [
      'knarr publish https://feeds.example.com/documents.ndjson --sink http://broker/',
      'knarr publish - --once < documents.ndjson',
    ],
  );
}
