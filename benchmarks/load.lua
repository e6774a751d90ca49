-- For wrk: sends the signed bodies of a file, each thread its share, in their order.
-- ONCE: each of them once, and then end; else again from the first, until the time is over.
local once = os.getenv("ONCE") == "1"
local requests, at, answered, ready, finished = {}, 0, 0, nil, false
local threads, patience, exhausted = 0, tonumber(os.getenv("PATIENCE")), nil

function setup(thread)
    thread:set("id", threads)
    threads = threads + 1
end

function init()
    local number, count = 0, tonumber(os.getenv("THREADS"))
    for line in io.lines(os.getenv("BODIES")) do
        if number % count == id then
            local signature, body = line:match("^(%x+) (.*)$")
            local headers = {["X-Pooled-Signature"] = signature, ["Content-Type"] = "application/json"}
            requests[#requests + 1] = wrk.format("POST", "/pooled/webhook", headers, body)
        end
        number = number + 1
    end
    ready = wrk.format("GET", "/ready")
    -- wrk asks the first thread for one request that it does not send.
    if id == 0 then at = -1 end
end

function request()
    at = at + 1
    if at < 1 then return requests[1] end
    if once and at > #requests then
        exhausted = exhausted or os.time()
        return ready
    end
    return requests[(at - 1) % #requests + 1]
end

if once then
    -- Its own question, for connections that have nothing left to send, is answered by 204.
    function response(status)
        if status ~= 204 then answered = answered + 1 end
        local missing = #requests - answered
        -- What went down with its connection is never answered.
        local given_up = exhausted and os.time() > exhausted + patience
        if finished or (missing > 0 and not given_up) then return end
        finished = true
        wrk.thread:stop()
        -- Who started wrk has to end it: it waits for its time to be over, whatever its threads do.
        io.write("unanswered: ", missing, "\n")
        io.flush()
    end
end
