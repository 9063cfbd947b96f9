/** Pairing: by link or JSON, by QR code, or by hand. Whatever the way, one sheet asks and says how it went. */

import { lazy, startTransition, Suspense, useEffect, useRef, useState, type FormEvent } from "react";
import { client, useClient } from "~/app/client";
import { goBack } from "~/app/route";
import { checkPairing, readPairing, type PairingData, type PairingProblem } from "~/protocol/pairing";
import { common } from "~/text/common";
import { pairing as text } from "~/text/pairing";
import { Button, IconButton } from "~/ui/Button";
import { TextArea, TextField } from "~/ui/fields";
import { Icon } from "~/ui/icons";
import { PairSheet } from "./PairSheet";

const AtDesk = lazy(() => import("./AtDesk"));
const ByCode = lazy(() => import("./ByCode"));
const ScanQr = lazy(() => import("../scan/ScanQr"));

/** An object, so that the same link opened again is another one. */
export interface OpenedLink {
  text: string;
}

interface PairScreenProps {
  /** From the address the page was opened with, or went to. */
  link: OpenedLink | null;
  /** No workstation is paired yet. */
  first: boolean;
  /** The link was read, and its question answered. */
  onRead(): void;
  onDone(): void;
}

export default function PairScreen({ link, first, onRead, onDone }: PairScreenProps) {
  const [way, setWay] = useState<Way>("link");
  const [pasted, setPasted] = useState("");
  const [problem, setProblem] = useState<PairingProblem | null>(null);
  const [scanning, setScanning] = useState(false);
  const [asked, setAsked] = useState<Asked | null>(null);
  const durable = useClient((state) => state.durable);

  /** `typed`: the user has just written all of it, and need not be asked where it leads. */
  const take = (data: PairingData | PairingProblem, name = "", typed = false) => {
    if (typeof data === "string") return setProblem(data);
    setProblem(null);
    setAsked({ data, name, typed });
  };

  useEffect(() => {
    if (link !== null) take(readPairing(link.text));
    // Only the link's coming matters; `take` is new on each render.
  }, [link]);

  // It is loaded after the screen before has gone, and has taken the focus along.
  const page = useRef<HTMLElement>(null);
  useEffect(() => {
    if (document.activeElement === document.body) page.current?.focus({ preventScroll: true });
  }, []);
  return (
    <main ref={page} id="main" tabIndex={-1} className="relative top-[var(--app-top,0px)] flex h-[var(--app-height,100dvh)] outline-none flex-col items-center overflow-y-auto px-5 pt-[max(1rem,var(--safe-top))] pb-[max(2rem,var(--safe-bottom))]">
      <div className="w-full max-w-md lg:max-w-4xl lg:pointer-fine:grid lg:pointer-fine:grid-cols-[28rem_18rem] lg:pointer-fine:justify-center lg:pointer-fine:gap-x-16">
        <div>
        <div className="flex h-11 items-center">
          {!first && <IconButton icon="back" label={common.back} className="-ml-3" onClick={() => goBack()} />}
        </div>
        <Head first={first} />
        <div className="mt-7 rounded-2xl border border-line bg-surface p-5 shadow-low">
          {way === "link" ? (
            <ByLink
              value={pasted}
              problem={problem}
              onChange={(value) => (setPasted(value), setProblem(null))}
              onSubmit={() => take(readPairing(pasted))}
              onScan={() => startTransition(() => setScanning(true))}
            />
          ) : way === "code" ? (
            <ByCode address={ownAddress()} onPair={(data) => take(data, "", true)} />
          ) : (
            <ByHand onPair={(data, name) => take(data, name, true)} problem={problem} onChange={() => setProblem(null)} />
          )}
          <div className="mt-2">
            {WAYS.filter((each) => each !== way).map((each) => (
              <button
                key={each}
                type="button"
                className="min-h-11 w-full rounded-xl text-sm text-muted hover:bg-hover hover:text-text"
                // What stands there stays until the other form is loaded: nothing jumps under the finger.
                onClick={() => startTransition(() => (setProblem(null), setWay(each)))}
              >
                {{ link: text.byLink, code: text.byCode, hand: text.byHand }[each]}
              </button>
            ))}
          </div>
        </div>
        <p className={`mt-4 flex gap-2 px-1 text-[0.8125rem] ${durable ? "text-muted" : "text-warn"}`}>
          <Icon name={durable ? "check" : "alert"} size={16} className="mt-0.5" />
          {durable ? text.kept : window.isSecureContext ? text.notKeptHere : text.notKept}
        </p>
        </div>
        <aside className="hidden space-y-8 pt-[max(18rem,34vh)] lg:pointer-fine:block">
          <Suspense fallback={null}>{DESK && <AtDesk address={ownAddress()} />}</Suspense>
        </aside>
      </div>
      {scanning && (
        <Suspense fallback={null}>
          <ScanQr
            onClose={() => setScanning(false)}
            onText={(scanned) => {
              setScanning(false);
              setPasted(scanned);
              take(readPairing(scanned));
            }}
          />
        </Suspense>
      )}
      {asked && <PairSheet {...asked} onDone={onDone} onClose={() => (setAsked(null), onRead())} />}
    </main>
  );
}

type Way = "link" | "code" | "hand";

const WAYS: Way[] = ["link", "code", "hand"];

const TOUCH = matchMedia("(pointer: coarse)").matches;
const DESK = matchMedia("(min-width: 64rem) and (pointer: fine)").matches;

interface Asked {
  data: PairingData;
  name: string;
  typed: boolean;
}

function Head({ first }: { first: boolean }) {
  if (!first) return <h1 className="text-2xl font-semibold tracking-tight">{text.title}</h1>;
  return (
    <header className="pt-[6vh] max-sm:[@media(max-height:43rem)]:pt-0">
      <img src="./icons/icon.svg" alt="" width={56} height={56} className="rounded-2xl shadow-low" />
      <h1 className="mt-5 text-[1.75rem] leading-tight font-semibold tracking-tight">{text.welcome}</h1>
      <p className="mt-2 text-muted">{text.lead}</p>
      <p className="mt-2 text-muted">{text.start}</p>
    </header>
  );
}

interface ByLinkProps {
  value: string;
  problem: PairingProblem | null;
  onChange(value: string): void;
  onSubmit(): void;
  onScan(): void;
}

function ByLink({ value, problem, onChange, onSubmit, onScan }: ByLinkProps) {
  // In a hand the camera is the shortest way.
  const scanFirst = TOUCH && value === "";
  const paste = async () => {
    try {
      onChange(await navigator.clipboard.readText());
    } catch {
      client.notice("error", text.pasteForbidden);
    }
  };
  return (
    <form onSubmit={(event) => (event.preventDefault(), onSubmit())} noValidate>
      {TOUCH && <Scan look={scanFirst ? "primary" : "secondary"} onScan={onScan} />}
      <TextArea
        label={text.linkLabel}
        placeholder={text.linkPlaceholder}
        value={value}
        error={problem ? text.problems[problem] : undefined}
        onChange={(event) => onChange(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey) return;
          event.preventDefault();
          onSubmit();
        }}
        rows={3}
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        className="font-mono text-sm"
      />
      <div className="mt-3 flex gap-2">
        <Button icon="copy" className="flex-1" onClick={() => void paste()}>
          {text.paste}
        </Button>
        <Button type="submit" look={scanFirst ? "secondary" : "primary"} className="flex-1">
          {text.pair}
        </Button>
      </div>
      {!TOUCH && <Scan look="quiet" onScan={onScan} />}
    </form>
  );
}

function Scan({ look, onScan }: { look: "primary" | "secondary" | "quiet"; onScan(): void }) {
  return (
    <Button icon="qr" look={look} className={`w-full ${TOUCH ? "mb-5" : "mt-2"}`} onClick={onScan}>
      {text.scan}
    </Button>
  );
}

interface ByHandProps {
  onPair(data: PairingData | PairingProblem, name: string): void;
  problem: PairingProblem | null;
  onChange(): void;
}

function ByHand({ onPair, problem, onChange }: ByHandProps) {
  const [fields, setFields] = useState({ name: "", url: ownAddress(), tunnelId: "", key: "" });
  const [shown, setShown] = useState(false);
  const bind = (name: keyof typeof fields) => ({
    value: fields[name],
    onChange: (event: { target: { value: string } }) => (onChange(), setFields({ ...fields, [name]: event.target.value })),
    autoComplete: "off",
    autoCapitalize: "off",
    spellCheck: false,
  });
  const errorIf = (...mine: PairingProblem[]) => (problem && mine.includes(problem) ? text.problems[problem] : undefined);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onPair(checkPairing(fields.tunnelId, fields.url, fields.key), fields.name.trim());
  };
  return (
    <form className="space-y-4" onSubmit={submit} noValidate>
      <TextField label={text.name} placeholder={text.namePlaceholder} {...bind("name")} />
      <TextField label={text.url} inputMode="url" error={errorIf("no-url", "bad-url")} {...bind("url")} />
      <TextField label={text.tunnelId} error={errorIf("no-tunnel")} {...bind("tunnelId")} className="font-mono" />
      <TextField
        label={text.key}
        type={shown ? "text" : "password"}
        error={errorIf("short-key")}
        {...bind("key")}
        className="font-mono"
        end={<IconButton icon="eye" aria-pressed={shown} label={shown ? text.hideKey : text.showKey} onClick={() => setShown(!shown)} />}
      />
      <Button type="submit" look="primary" className="w-full">
        {text.pair}
      </Button>
    </form>
  );
}

/** This page comes from the tunnel server, so its address is the likeliest. */
function ownAddress(): string {
  // A proxy may serve the client below a path.
  return new URL("ws", location.origin + location.pathname).href.replace(/^http/, "ws");
}
