"""The gateway. It speaks no protocol: no socket, no SQL, no HTTP, no Twisted, no Spyne; time comes as an argument.

The words of the trade, as this code uses them. A file is named after the word that it is about.

submit      what a caller asks for: recipients, a text, wishes (device, SIM, time). One submit makes one MT message a recipient.
MT          mobile terminated: a message on its way to a handset.  MO: mobile originated, from a handset to us.
DLR         delivery report: what a device tells us later about an MT message.
segment     one radio message; a long text is several, joined again by the handset.
sender      who a message is from.  recipient: the number that it goes to, in E.164 (+ and digits) or a short code.
device      a phone, modem, SMSC link or other thing that can put messages on the air.  SIM: one slot of a device, from 1.
queue       the device that a message asked for, or else the pool of its account.
due         the earliest time of the next try; none when there is nothing left to do.
validity    how long a message may wait; after that it is EXPIRED instead of sent.
claim       a worker takes due messages for its device; the lease says until when nobody else may.
name        what a caller calls one submit of its own, to ask for all its messages by.
settle      the worker records what became of a claimed message: sent, another try, failed, unknown.
account     who owns keys, devices and messages.  key: a secret that speaks for an account.  scope: what a key may do.
quota       how many messages may be accepted for an account, a key, a number or a device.  limit: how many a device may put out.
word        a run of letters and digits, without case and accents: what texts are searched by.
grant       a secret that a program has got for a while, to do some of what its key or its password lets it do.
invitation  what lets a phone join an account: a private token for many, a code for one.  enrolment: its joining.
receipt     what a caller is told once its submit is on disk; the same submit repeated under one idempotency key gets it again.
opt-out     somebody's word that he is not to be written to, by an account or one of its sender codes. ledger: all of them.
sender code a short code or number that messages go by and handsets answer to.  campaign: one text to all who are subscribed to one.
webhook     a URL that wants to be told.  event: what it is told of.  delivery: one event on its way to one webhook.
dead letter a delivery that was given up; it is kept for a while and can be replayed.
"""
